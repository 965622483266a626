#include "cli/analyze/measurements.hpp"

#include <algorithm>
#include <cmath>

#include "core/check.hpp"

namespace lorry::cli {

namespace {

double chance_of(const MeasuredModule& module, std::string_view key) {
  const auto found = module.chance.find(key);
  return found == module.chance.end() ? report::kNone : found->second;
}

}  // namespace

std::string short_type(const std::string& type,
                       const std::vector<std::pair<std::string, ModuleGroup>>& types) {
  const auto last = [](const std::string& name) { return name.substr(name.rfind('.') + 1); };
  const auto same = std::count_if(types.begin(), types.end(),
                                  [&](const auto& other) { return last(other.first) == last(type); });
  return same > 1 ? type : last(type);
}

const Measure& measure_of(const Measurements& measurements, std::string_view key) {
  const auto found = std::find_if(measurements.measures.begin(), measurements.measures.end(),
                                  [&](const Measure& measure) { return measure.key == key; });
  LORRY_CHECK(found != measurements.measures.end());
  return *found;
}

Figure figure_of(const MeasuredModule& module, std::string_view key) {
  const auto found = module.figures.find(key);
  return found == module.figures.end() ? Figure() : found->second;
}

Figure median_figure(std::vector<Figure> figures) {
  std::erase_if(figures, [](const Figure& figure) { return !std::isfinite(figure.value); });
  if (figures.empty()) return {};
  std::sort(figures.begin(), figures.end(), [](const Figure& a, const Figure& b) {
    return std::pair(a.value, a.at_least) < std::pair(b.value, b.at_least);
  });
  const std::size_t half = figures.size() / 2;
  // A bound above the middle stays there; one below may really stand above it.
  const bool at_least = std::any_of(figures.begin(), figures.begin() + static_cast<Index>(half) + 1,
                                    [](const Figure& figure) { return figure.at_least; });
  const double upper = figures[half].value;
  return {figures.size() % 2 == 1 ? upper : (figures[half - 1].value + upper) / 2, at_least};
}

Figure median(const ModuleGroup& group, std::string_view key) {
  std::vector<Figure> figures;
  figures.reserve(group.size());
  for (const MeasuredModule* module : group) figures.push_back(figure_of(*module, key));
  return median_figure(std::move(figures));
}

Figure rounded(const Measure& measure, Figure figure) {
  if (measure.whole) figure.value = std::ceil(figure.value);
  return figure;
}

double median_chance(const ModuleGroup& group, std::string_view key) {
  std::vector<double> values;
  values.reserve(group.size());
  for (const MeasuredModule* module : group) values.push_back(chance_of(*module, key));
  return median(std::move(values));
}

Figure median(const Measurements& measurements, std::string_view key) {
  return median(all_of(measurements), key);
}

double median_chance(const Measurements& measurements, std::string_view key) {
  return median_chance(all_of(measurements), key);
}

std::string in_words(Figure figure, int decimals) {
  if (!std::isfinite(figure.value)) return "no value";
  return (figure.at_least ? "at least " : "") + report::format_fixed(figure.value, decimals);
}

ModuleGroup all_of(const Measurements& measurements) {
  ModuleGroup group;
  for (const MeasuredModule& module : measurements.modules) group.push_back(&module);
  return group;
}

std::vector<std::pair<std::string, ModuleGroup>> by_type(const Measurements& measurements) {
  std::vector<std::pair<std::string, ModuleGroup>> groups;
  for (const MeasuredModule& module : measurements.modules) {
    const std::string type = model::place_of(module.module).type;
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
    const Index layer = model::place_of(module.module).layer;
    if (layer >= 0) groups[layer].push_back(&module);
  }
  return groups;
}

std::vector<std::string> middle_modules(const Measurements& measurements) {
  std::vector<std::string> middles;
  for (auto& [type, group] : by_type(measurements)) {
    ModuleGroup with_figures = group;
    std::erase_if(with_figures, [](const MeasuredModule* module) {
      return std::none_of(module->figures.begin(), module->figures.end(),
                          [](const auto& figure) { return std::isfinite(figure.second.value); });
    });
    if (!with_figures.empty()) middles.push_back(with_figures[with_figures.size() / 2]->module);
  }
  return middles;
}

std::vector<std::string> middle_modules(const std::vector<Measurements>& all) {
  std::vector<std::string> middles;
  for (const Measurements& measurements : all) {
    for (std::string& name : middle_modules(measurements)) {
      const std::string type = model::place_of(name).type;
      const bool known = std::any_of(middles.begin(), middles.end(), [&](const std::string& other) {
        return model::place_of(other).type == type;
      });
      if (!known) middles.push_back(std::move(name));
    }
  }
  return middles;
}

}  // namespace lorry::cli
