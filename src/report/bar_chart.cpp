#include "report/bar_chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/check.hpp"
#include "core/index.hpp"
#include "report/color.hpp"
#include "report/escape.hpp"
#include "report/group_names.hpp"
#include "report/number.hpp"
#include "report/plot_frame.hpp"

namespace lorry::report {

namespace {

constexpr double kGroupShare = 0.76;  // of a group's width that bars fill
constexpr double kWidestBar = 44.0;
constexpr double kTitleLine = 18.0;

// Besides colour, the strength of the filling tells series apart in grey print; all have a full outline.
std::string filling(Index index) {
  constexpr std::array<std::string_view, 3> kOpacity = {"0.9", "0.5", "0.2"};
  return fmt::format(R"( fill-opacity="{}")",
                     kOpacity[static_cast<std::size_t>(index % std::ssize(kOpacity))]);
}

double spread_of(const BarSeries& series, std::size_t group) {
  if (series.spread.empty() || !std::isfinite(series.spread[group])) return 0.0;
  return std::min(std::abs(series.spread[group]), 1e300);  // so that value and spread stay finite together
}

DataRange range_of(const BarChart& chart) {
  DataRange range(chart.y.scale);
  for (const BarSeries& series : chart.series) {
    LORRY_CHECK_EQ(series.values.size(), chart.groups.size());
    LORRY_CHECK(series.spread.empty() || series.spread.size() == series.values.size());
    for (std::size_t i = 0; i < series.values.size(); ++i) {
      if (!range.can_show(series.values[i])) continue;
      range.add(series.values[i] - spread_of(series, i));
      range.add(series.values[i] + spread_of(series, i));
      range.add(series.values[i]);
    }
  }
  return range;
}

std::vector<LegendEntry> legend_of(const BarChart& chart) {
  std::vector<LegendEntry> legend;
  if (chart.series.size() == 1 && chart.series[0].name.empty()) return legend;
  for (Index i = 0; i < std::ssize(chart.series); ++i) {
    legend.push_back({chart.series[static_cast<std::size_t>(i)].name,
                      open_series(i) + "<path" + filling(i) + R"( d="M6 -5.5h16v11h-16z"/></g>)"});
  }
  return legend;
}

std::string words_of(const BarChart& chart, const BarSeries& series, std::size_t group) {
  std::string words = chart.groups[group];
  if (!series.name.empty()) words += ", " + series.name;
  words += ": " + format_number(series.values[group]);
  const double spread = spread_of(series, group);
  return spread > 0.0 ? words + " ± " + format_number(spread, 2) : words;
}

// One bar with its error bar and what hovering tells.
std::string bar(const BarChart& chart, const PlotFrame& frame, const AxisScale& y, Index index,
                std::size_t group, double left, double width) {
  const BarSeries& series = chart.series[static_cast<std::size_t>(index)];
  const double value = series.values[group];
  const bool log = chart.y.scale == Scale::kLog;
  if (!std::isfinite(value) || (log && !(value > 0.0))) return {};
  const auto height_at = [&](double v) {
    return log && !(v > 0.0) ? frame.bottom : std::clamp(frame.y_at(v), frame.top, frame.bottom);
  };
  const double base = height_at(log ? y.low() : std::clamp(0.0, y.low(), y.high()));
  const std::string d =
      fmt::format("M{} {}h{}V{}h-{}z", px(left), px(base), px(width), px(height_at(value)), px(width));
  // What shines through is the paper, not the grid.
  std::string out = fmt::format(
      R"(<g class="hit"><title>{0}</title><path class="bg" fill="{2}" d="{3}"/><path{1} d="{3}"/>)",
      escaped(words_of(chart, series, group)), filling(index), kPaper, d);
  if (const double spread = spread_of(series, group); spread > 0.0) {
    out += fmt::format(R"(<g class="ink" stroke="{}">)", kInk) +
           error_bar(left + width / 2, height_at(value + spread), height_at(value - spread)) + "</g>";
  }
  return out + "</g>";
}

std::string bars_of(const BarChart& chart, const PlotFrame& frame, const AxisScale& y, double step) {
  const auto bars = static_cast<double>(std::ssize(chart.series));
  const double width = std::min(step * kGroupShare / std::max(bars, 1.0), kWidestBar);
  std::string out;
  for (Index s = 0; s < std::ssize(chart.series); ++s) {
    out += open_series(s);
    for (std::size_t g = 0; g < chart.groups.size(); ++g) {
      const double middle = frame.left + (static_cast<double>(g) + 0.5) * step;
      out += bar(chart, frame, y, s, g, middle + (static_cast<double>(s) - bars / 2) * width, width);
    }
    out += "</g>";
  }
  return out;
}

}  // namespace

std::string to_svg(const BarChart& chart) {
  const AxisScale y(chart.y, range_of(chart), {.to_ticks = true, .from_zero = true});
  const std::vector<LegendEntry> legend = legend_of(chart);
  const auto groups = static_cast<double>(std::max<Index>(std::ssize(chart.groups), 1));
  PlotFrame frame(chart.title, y, legend);
  const double area = frame.right - frame.left;
  const double step = area / groups;
  const GroupNames names(chart.groups, step - 6.0);
  std::string x_axis;
  for (Index g = 0; g < std::ssize(chart.groups); ++g) {
    x_axis += names.at(g, frame.left + (static_cast<double>(g) + 0.5) * step, frame.bottom);
  }
  const double below = names.height() + (chart.x_label.empty() ? 0.0 : kTitleLine);
  if (!chart.x_label.empty()) {
    x_axis += text_at(frame.left + area / 2, frame.bottom + below - 4, Anchor::kMiddle,
                      label_of(chart.x_label, area));
  }
  return frame.render("bar chart", below + 4.0, x_axis, {}, bars_of(chart, frame, y, step));
}

}  // namespace lorry::report
