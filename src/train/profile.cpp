#include "train/profile.hpp"

#include <algorithm>

#include "model/stream_floor.hpp"

namespace lorry::train {

std::vector<Profile::Part> Profile::parts() const {
  std::vector<Part> parts;
  double counted = 0;
  const auto add = [&](std::string name, double part_seconds, double flops) {
    if (part_seconds <= 0) return;
    counted += part_seconds;
    parts.push_back({.name = std::move(name),
                     .seconds = part_seconds / static_cast<double>(steps),
                     .share = part_seconds / seconds,
                     .flops_per_second = flops / part_seconds});
  };
  for (Index i = 0; i < ops::kOpKinds; ++i) {
    const auto kind = static_cast<ops::OpKind>(i);
    add(std::string(name_of(kind)), ops.of(kind).seconds, ops.of(kind).flops);
  }
  add("data", data, 0);
  add("waiting for the disk", waited, 0);
  std::stable_sort(parts.begin(), parts.end(),
                   [](const Part& a, const Part& b) { return a.seconds > b.seconds; });
  add("other", seconds - counted, 0);
  return parts;
}

io::OrderedJson to_json(const Profile& profile) {
  io::OrderedJson parts = io::OrderedJson::array();
  for (const Profile::Part& part : profile.parts()) {
    io::OrderedJson json = {{"name", part.name}, {"seconds", part.seconds}, {"share", part.share}};
    if (part.flops_per_second > 0) json["flops_per_second"] = part.flops_per_second;
    parts.push_back(std::move(json));
  }
  return {{"steps", profile.steps},
          {"seconds_per_step", profile.seconds / static_cast<double>(profile.steps)},
          {"peak_flops_per_second", profile.peak_flops},
          {"parts", std::move(parts)}};
}

Profiler::Profiler(model::LoadedModel& model) : model_(model), times_(model::time_operators(model)) {}

double Profiler::waited() const {
  const auto& stream = model_.weights.stream();
  return stream ? stream->totals().waited : 0;
}

void Profiler::begin() {
  times_before_ = *times_;
  waited_before_ = waited();
}

void Profiler::end(double data_seconds, const StepReport& report) {
  if (++steps_ == 2) sum_ = {};  // the first one, which is slower
  ops::OpTimes times = *times_;
  times -= times_before_;
  sum_.ops += times;
  sum_.data += data_seconds;
  sum_.waited += waited() - waited_before_;
  sum_.seconds += data_seconds + report.seconds;
  ++sum_.steps;
}

std::optional<Profile> Profiler::result() const {
  if (steps_ == 0) return std::nullopt;
  Profile profile = sum_;
  profile.peak_flops = model::measure_peak_flops(model_);
  return profile;
}

}  // namespace lorry::train
