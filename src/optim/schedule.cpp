#include "optim/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/check.hpp"
#include "core/error.hpp"

namespace lorry::optim {
namespace {

double ratio(Index part, Index whole) {
  return static_cast<double>(part) / static_cast<double>(std::max<Index>(1, whole));
}

}  // namespace

std::string_view name_of(ScheduleKind kind) {
  return std::find_if(kScheduleNames.begin(), kScheduleNames.end(),
                      [&](const auto& known) { return known.second == kind; })
      ->first;
}

LearningRateSchedule::LearningRateSchedule(ScheduleKind kind, double peak, Index total_steps,
                                           Index warmup_steps)
    : kind_(kind), peak_(peak), total_steps_(total_steps), warmup_steps_(warmup_steps) {
  if (!std::isfinite(peak) || peak < 0) {
    throw Error("[train] --lr: found {}; expected a finite number, at least 0", peak);
  }
  if (total_steps < 1) throw Error("[train] --steps: found {}; expected at least 1", total_steps);
  if (warmup_steps < 0) throw Error("[train] --warmup-steps: found {}; expected at least 0", warmup_steps);
}

double LearningRateSchedule::at(Index step) const {
  LORRY_CHECK(step >= 0);
  double factor = 1;
  if (step < warmup_steps_) {
    factor = ratio(step, warmup_steps_);
  } else if (kind_ == ScheduleKind::kLinear) {
    factor = std::max(0.0, ratio(total_steps_ - step, total_steps_ - warmup_steps_));
  } else if (kind_ == ScheduleKind::kCosine) {
    // Beyond the end the cosine would rise again; transformers lets it, a run never gets there.
    const double progress = std::min(1.0, ratio(step - warmup_steps_, total_steps_ - warmup_steps_));
    factor = std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * progress)));
  }
  return peak_ * factor;
}

}  // namespace lorry::optim
