#include "cli/analyze/profiles.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <utility>

namespace lorry::cli {

namespace {

std::string chart_title(const Measure& measure) {
  return measure.chart_title.empty() ? measure.title : measure.chart_title;
}

/// What is drawn of a figure: a lower bound would look like the value.
double point_of(Figure figure) {
  return figure.at_least ? std::numeric_limits<double>::quiet_NaN() : figure.value;
}

/// One point per layer; modules outside the layers have no place on the axis.
report::Series series_of(std::string name, const ModuleGroup& group, std::string_view key) {
  report::Series series{.name = std::move(name)};
  for (const MeasuredModule* module : group) {
    const Index layer = model::place_of(module->module).layer;
    if (layer < 0) continue;
    series.x.push_back(static_cast<double>(layer));
    series.y.push_back(point_of(figure_of(*module, key)));
  }
  return series;
}

report::LineChart frame(const Measure& measure, std::string title, std::string y_label) {
  return {
      .title = std::move(title),
      .x = {.label = "layer"},
      .y = {.label = std::move(y_label), .scale = measure.scale, .low = measure.low, .high = measure.high}};
}

/// A point per layer that has a value.
report::Series layer_series(std::string name, const Measurements& measurements,
                            const std::function<double(const ModuleGroup&)>& value_of_layer) {
  report::Series series{.name = std::move(name)};
  for (const auto& [layer, group] : by_layer(measurements)) {
    const double value = value_of_layer(group);
    if (!std::isfinite(value)) continue;
    series.x.push_back(static_cast<double>(layer));
    series.y.push_back(value);
  }
  return series;
}

void add_if_any(report::LineChart& chart, report::Series series) {
  if (!series.x.empty()) chart.series.push_back(std::move(series));
}

/// What random directions give for the modules of one type.
report::Series chance_of_type(const Measurements& measurements, const ModuleGroup& group,
                              std::string_view key) {
  report::Series series{.name = fmt::format("random, {}", measurements.subject)};
  for (const MeasuredModule* module : group) {
    const Index layer = model::place_of(module->module).layer;
    const auto chance = module->chance.find(key);
    if (layer < 0 || chance == module->chance.end() || !std::isfinite(chance->second)) continue;
    series.x.push_back(static_cast<double>(layer));
    series.y.push_back(chance->second);
  }
  return series;
}

/// What random directions give, a line per subject unless all of them are the same.
void add_chance(report::LineChart& chart, std::vector<report::Series> lines) {
  std::erase_if(lines, [](const report::Series& line) { return line.x.empty(); });
  const bool same = std::all_of(lines.begin(), lines.end(), [&](const report::Series& line) {
    return line.x == lines.front().x && line.y == lines.front().y;
  });
  if (same && !lines.empty()) {
    lines.resize(1);
    lines.front().name = "random";
  }
  for (report::Series& line : lines) chart.series.push_back(std::move(line));
}

report::Series chance_series(const Measurements& measurements, std::string_view key) {
  return layer_series(fmt::format("random, {}", measurements.subject), measurements,
                      [&](const ModuleGroup& group) { return median_chance(group, key); });
}

}  // namespace

report::LineChart layer_profile(const Measurements& measurements, std::string_view key) {
  const Measure& shown = measure_of(measurements, key);
  report::LineChart chart = frame(shown, chart_title(shown), "");
  const auto groups = by_type(measurements);
  for (const auto& [type, group] : groups) {
    add_if_any(chart, series_of(short_type(type, groups), group, key));
  }
  add_chance(chart, {chance_series(measurements, key)});
  return chart;
}

report::LineChart subject_profile(const std::vector<Measurements>& all, std::string_view key) {
  const Measure& shown = measure_of(all.front(), key);
  report::LineChart chart = frame(shown, chart_title(shown), "");
  for (const Measurements& measurements : all) {
    add_if_any(chart, layer_series(measurements.subject, measurements,
                                   [&](const ModuleGroup& group) { return point_of(median(group, key)); }));
  }
  std::vector<report::Series> chances;
  chances.reserve(all.size());
  for (const Measurements& measurements : all) chances.push_back(chance_series(measurements, key));
  add_chance(chart, std::move(chances));
  return chart;
}

std::vector<report::LineChart> type_profiles(const std::vector<Measurements>& all, std::string_view key) {
  const Measure& shown = measure_of(all.front(), key);
  std::vector<report::LineChart> charts;
  std::map<std::string, std::vector<report::Series>> lines;  // random ones, by type
  for (const Measurements& measurements : all) {
    for (const auto& entry : by_type(measurements)) {
      const std::string& type = entry.first;
      report::Series series = series_of(measurements.subject, entry.second, key);
      if (series.x.empty()) continue;
      auto found = std::find_if(charts.begin(), charts.end(),
                                [&](const report::LineChart& chart) { return chart.title == type; });
      if (found == charts.end()) {
        found = charts.insert(charts.end(), frame(shown, type, chart_title(shown)));
      }
      found->series.push_back(std::move(series));
      lines[found->title].push_back(chance_of_type(measurements, entry.second, key));
    }
  }
  for (report::LineChart& chart : charts) add_chance(chart, std::move(lines[chart.title]));
  return charts;
}

}  // namespace lorry::cli
