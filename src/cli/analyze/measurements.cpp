#include "cli/analyze/measurements.hpp"

#include <algorithm>
#include <cmath>

namespace lorry::cli {

namespace {

double value_of(const std::vector<double>& values, std::size_t measure) {
  return measure < values.size() ? values[measure] : report::kNone;
}

}  // namespace

std::string short_type(const std::string& type,
                       const std::vector<std::pair<std::string, ModuleGroup>>& types) {
  const auto last = [](const std::string& name) { return name.substr(name.rfind('.') + 1); };
  const auto same = std::count_if(types.begin(), types.end(),
                                  [&](const auto& other) { return last(other.first) == last(type); });
  return same > 1 ? type : last(type);
}

double value_of(const MeasuredModule& module, std::size_t measure) {
  return value_of(module.values, measure);
}

double median(std::vector<double> values) {
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  if (values.empty()) return report::kNone;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

double median(const ModuleGroup& group, std::size_t measure) {
  std::vector<double> values;
  values.reserve(group.size());
  for (const MeasuredModule* module : group) values.push_back(value_of(module->values, measure));
  return median(std::move(values));
}

double median_chance(const ModuleGroup& group, std::size_t measure) {
  std::vector<double> values;
  values.reserve(group.size());
  for (const MeasuredModule* module : group) values.push_back(value_of(module->chance, measure));
  return median(std::move(values));
}

double median(const Measurements& measurements, std::size_t measure) {
  return median(all_of(measurements), measure);
}

double median_chance(const Measurements& measurements, std::size_t measure) {
  return median_chance(all_of(measurements), measure);
}

std::string in_words(double value, int decimals) {
  return std::isfinite(value) ? report::format_fixed(value, decimals) : std::string("no value");
}

ModuleGroup all_of(const Measurements& measurements) {
  ModuleGroup group;
  for (const MeasuredModule& module : measurements.modules) group.push_back(&module);
  return group;
}

std::vector<std::pair<std::string, ModuleGroup>> by_type(const Measurements& measurements) {
  std::vector<std::pair<std::string, ModuleGroup>> groups;
  for (const MeasuredModule& module : measurements.modules) {
    const std::string type = place_of(module.module).type;
    auto found =
        std::find_if(groups.begin(), groups.end(), [&](const auto& group) { return group.first == type; });
    if (found == groups.end()) found = groups.insert(groups.end(), {type, {}});
    found->second.push_back(&module);
  }
  return groups;
}

std::map<Index, ModuleGroup> by_layer(const Measurements& measurements) {
  std::map<Index, ModuleGroup> groups;
  for (const MeasuredModule& module : measurements.modules) {
    const Index layer = place_of(module.module).layer;
    if (layer >= 0) groups[layer].push_back(&module);
  }
  return groups;
}

std::vector<std::string> middle_modules(const Measurements& measurements) {
  std::vector<std::string> middles;
  for (auto& [type, group] : by_type(measurements)) {
    ModuleGroup with_figures = group;
    std::erase_if(with_figures, [](const MeasuredModule* module) {
      return std::none_of(module->values.begin(), module->values.end(),
                          [](double value) { return std::isfinite(value); });
    });
    if (!with_figures.empty()) middles.push_back(with_figures[with_figures.size() / 2]->module);
  }
  return middles;
}

}  // namespace lorry::cli
