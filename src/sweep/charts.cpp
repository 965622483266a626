#include "sweep/charts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "report/bar_chart.hpp"
#include "report/line_chart.hpp"
#include "sweep/tables.hpp"

namespace lorry::sweep {

namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr const char* kLossLabel = "held-out loss, nats per token";
constexpr const char* kBars = "held-out-by-row";
constexpr const char* kByRank = "held-out-by-rank";
constexpr const char* kHeldOut = "held-out-over-steps";
constexpr const char* kTraining = "training-over-steps";
constexpr std::array<std::string_view, 2> kCurves = {kHeldOut, kTraining};  // with -1, -2, ... where several

report::Axis axis_of(std::string label) {
  report::Axis axis;
  axis.label = std::move(label);
  return axis;
}

report::Series line_of(std::string name) {
  report::Series line;
  line.name = std::move(name);
  return line;
}

/// Bars whose differences are a small part of their height would all look alike from 0.
report::Axis bar_axis(const std::vector<RowSummary>& rows) {
  constexpr double kSmallPart = 0.5;
  constexpr double kBelow = 0.5;  // of the range, below the lowest bar
  double low = std::numeric_limits<double>::infinity();
  double high = 0;
  for (const RowSummary& row : rows) {
    if (!row.loss) continue;
    const double deviation = row.loss->deviation.value_or(0);
    low = std::min(low, row.loss->mean - deviation);
    high = std::max(high, row.loss->mean + deviation);
  }
  report::Axis axis = axis_of(kLossLabel);
  // Of equal values, or a single one, the difference is nothing: their bars stand on 0.
  if (high > low && high - low < kSmallPart * high) axis.low = std::max(0.0, low - kBelow * (high - low));
  return axis;
}

void put(report::BarSeries& series, std::size_t group, const RowSummary& row) {
  if (!row.loss) return;
  series.values[group] = row.loss->mean;
  series.spread[group] = row.loss->deviation.value_or(kNone);
}

report::BarSeries empty_bars(std::string name, std::size_t groups) {
  return {.name = std::move(name),
          .values = std::vector<double>(groups, kNone),
          .spread = std::vector<double>(groups, kNone)};
}

/// Groups are rows; or, where there are several ranks, series with a bar for each rank.
std::string bars(const Plan& plan, const std::vector<RowSummary>& rows) {
  const std::vector<Index> ranks = ranks_of(plan);
  report::BarChart chart;
  chart.title = "Held-out loss after training";
  chart.y = bar_axis(rows);
  if (ranks.size() < 2) {
    chart.series.push_back(empty_bars("mean over seeds", rows.size()));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      chart.groups.push_back(plan.rows[i].label);
      put(chart.series.back(), i, rows[i]);
    }
    return to_svg(chart);
  }
  chart.groups = series_of(plan);
  for (const Index rank : ranks) {
    chart.series.push_back(empty_bars(fmt::format("r = {}", rank), chart.groups.size()));
  }
  chart.series.push_back(empty_bars("every weight", chart.groups.size()));
  bool has_full = false;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Row& row = plan.rows[i];
    const auto rank = std::find(ranks.begin(), ranks.end(), row.options.lora.r) - ranks.begin();
    const auto group = std::find(chart.groups.begin(), chart.groups.end(), row.series) - chart.groups.begin();
    has_full = has_full || !is_lora(row);
    put(is_lora(row) ? chart.series[static_cast<std::size_t>(rank)] : chart.series.back(),
        static_cast<std::size_t>(group), rows[i]);
  }
  if (!has_full) chart.series.pop_back();
  return to_svg(chart);
}

/// A line per series; full fine-tuning, which has no rank, as a level.
std::string loss_by_rank(const Plan& plan, const std::vector<RowSummary>& rows) {
  const std::vector<Index> ranks = ranks_of(plan);
  report::LineChart chart;
  chart.title = "Held-out loss against rank";
  chart.x = axis_of("rank");
  chart.x.scale = report::Scale::kLog;
  chart.y = axis_of(kLossLabel);
  for (const Index rank : ranks) chart.x.ticks.push_back(static_cast<double>(rank));
  for (const std::string& name : series_of(plan)) {
    report::Series line = line_of(name);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (plan.rows[i].series != name || !rows[i].loss) continue;
      if (!is_lora(plan.rows[i])) {
        chart.levels.push_back({.name = name, .y = rows[i].loss->mean});
        continue;
      }
      line.x.push_back(static_cast<double>(plan.rows[i].options.lora.r));
      line.y.push_back(rows[i].loss->mean);
      line.spread.push_back(rows[i].loss->deviation.value_or(kNone));
    }
    if (!line.x.empty()) chart.series.push_back(std::move(line));
  }
  return chart.series.empty() ? std::string() : to_svg(chart);
}

using Curve = std::vector<CurveSpread> RowSummary::*;

/// The rows of one set of targets, or all.
struct RowGroup {
  std::string title;
  std::vector<std::size_t> rows;  // in Plan::rows
};

/// As many lines as one chart can show go into one; more of them are parted by what they adapt.
std::vector<RowGroup> row_groups(const Plan& plan) {
  constexpr std::size_t kMostLines = 8;
  std::vector<RowGroup> groups;
  for (std::size_t i = 0; i < plan.rows.size(); ++i) {
    std::string title;
    if (plan.rows.size() > kMostLines) {
      title = is_lora(plan.rows[i]) ? plan.rows[i].targets : "full fine-tuning";
    }
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const RowGroup& known) { return known.title == title; });
    if (group == groups.end()) group = groups.insert(groups.end(), RowGroup{.title = title, .rows = {}});
    group->rows.push_back(i);
  }
  return groups;
}

/// The loss before training is left out: it stands so far above the rest that the rest would be a flat line.
std::string loss_over_steps(const Plan& plan, const std::vector<RowSummary>& rows, const RowGroup& group,
                            Curve curve, const char* label) {
  report::LineChart chart;
  chart.title = group.title;
  chart.x = axis_of("step");
  chart.y = axis_of(label);
  chart.markers = curve == &RowSummary::held_out;
  bool is_curve = false;
  for (const std::size_t i : group.rows) {
    report::Series line = line_of(plan.rows[i].label);
    line.band = true;
    for (const CurveSpread& point : rows[i].*curve) {
      if (point.step == 0) continue;
      line.x.push_back(static_cast<double>(point.step));
      line.y.push_back(point.loss.mean);
      line.spread.push_back(point.loss.deviation_or_nan());
    }
    is_curve = is_curve || line.x.size() > 1;
    if (!line.x.empty()) chart.series.push_back(std::move(line));
  }
  return is_curve ? to_svg(chart) : std::string();
}

void add(std::vector<Chart>& charts, std::string name, std::string caption, std::string svg) {
  if (!svg.empty()) charts.push_back({std::move(name), std::move(caption), std::move(svg)});
}

}  // namespace

bool is_chart_name(std::string_view name) {
  if (name == kBars || name == kByRank) return true;
  return std::any_of(kCurves.begin(), kCurves.end(), [&](std::string_view curve) {
    const std::string_view number = name.starts_with(curve) ? name.substr(curve.size()) : "?";
    return number.empty() || (number.front() == '-' && number.size() > 1 &&
                              number.find_first_not_of("0123456789", 1) == std::string_view::npos);
  });
}

std::vector<Chart> make_charts(const Plan& plan, const std::vector<RowSummary>& rows) {
  std::vector<Chart> charts;
  if (std::none_of(rows.begin(), rows.end(), [](const RowSummary& row) { return row.loss.has_value(); })) {
    return charts;
  }
  add(charts, kBars, "Mean over seeds; the error bars are one standard deviation to either side.",
      bars(plan, rows));
  if (ranks_of(plan).size() > 1) {
    add(charts, kByRank, "Mean over seeds with one standard deviation to either side.",
        loss_by_rank(plan, rows));
  }
  const std::vector<RowGroup> groups = row_groups(plan);
  const auto add_curves = [&](const char* name, const char* caption, Curve curve, const char* label) {
    for (std::size_t i = 0; i < groups.size(); ++i) {
      add(charts, groups.size() == 1 ? name : fmt::format("{}-{}", name, i + 1), caption,
          loss_over_steps(plan, rows, groups[i], curve, label));
    }
  };
  add_curves(
      kHeldOut,
      "Held-out loss over steps, mean over seeds and one standard deviation; without that before training.",
      &RowSummary::held_out, kLossLabel);
  add_curves(kTraining,
             "Training loss over steps, averaged over stretches of steps; mean over seeds and one standard "
             "deviation.",
             &RowSummary::training, "training loss, nats per token");
  return charts;
}

}  // namespace lorry::sweep
