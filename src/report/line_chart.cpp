#include "report/line_chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/check.hpp"
#include "report/color.hpp"
#include "report/escape.hpp"
#include "report/number.hpp"
#include "report/plot_frame.hpp"
#include "report/polyline.hpp"

namespace lorry::report {

namespace {

constexpr Index kMostMarkers = 100;  // points of all series; beyond that marks hide each other
constexpr Index kFewMarkers = 8;     // of a series then
constexpr Index kMostTargets = 120;  // points per series that can be hovered
constexpr double kRadius = 3.2;
constexpr double kSmallRadius = 2.0;  // where points of a series are dense
constexpr Index kDense = 40;
constexpr double kTargetRadius = 7.0;
constexpr double kBelow = 44.0;  // the x axis's ticks and label
constexpr Index kLevelDash = 1;

struct Scales {
  const AxisScale& x;
  const AxisScale& y;
  const PlotFrame& frame;

  [[nodiscard]] Point at(double vx, double vy, const DataRange& can_x, const DataRange& can_y) const {
    if (!can_x.can_show(vx) || !can_y.can_show(vy)) return {0.0, 0.0, false};
    return {frame.left + x.at(vx) * (frame.right - frame.left), frame.y_at(vy), true};
  }
};

double spread_at(const Series& series, std::size_t i) {
  if (series.spread.empty() || !std::isfinite(series.spread[i])) return 0.0;
  return std::min(std::abs(series.spread[i]), 1e300);  // so that value and spread stay finite together
}

struct Ranges {
  DataRange x, y;
};

Ranges ranges_of(const LineChart& chart) {
  Ranges ranges{DataRange(chart.x.scale), DataRange(chart.y.scale)};
  for (const Series& series : chart.series) {
    LORRY_CHECK_EQ(series.x.size(), series.y.size());
    LORRY_CHECK(series.spread.empty() || series.spread.size() == series.y.size());
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      if (!ranges.x.can_show(series.x[i]) || !ranges.y.can_show(series.y[i])) continue;
      ranges.x.add(series.x[i]);
      ranges.y.add(series.y[i]);
      ranges.y.add(series.y[i] - spread_at(series, i));
      ranges.y.add(series.y[i] + spread_at(series, i));
    }
  }
  for (const Level& level : chart.levels) ranges.y.add(level.y);
  return ranges;
}

bool all_whole(const LineChart& chart) {
  for (const Series& series : chart.series) {
    for (const double x : series.x) {
      if (std::isfinite(x) && x != std::trunc(x)) return false;
    }
  }
  return true;
}

/// Which points have a mark. Where not all have one, a few still tell several series apart, also in grey
/// print; those of one series lie between those of the others.
class Marking {
 public:
  explicit Marking(const LineChart& chart) : series_(std::ssize(chart.series)) {
    Index points = 0;
    Index longest = 0;
    for (const Series& series : chart.series) {
      points += std::ssize(series.x);
      longest = std::max(longest, std::ssize(series.x));
    }
    all_ = chart.markers && points <= kMostMarkers && (series_ == 1 || longest <= kDense);
  }

  [[nodiscard]] bool any() const { return all_ || series_ > 1; }

  [[nodiscard]] bool has(const Series& series, Index index, Index point) const {
    if (all_ || !any()) return all_;
    const Index stride = std::max<Index>(std::ssize(series.x) / kFewMarkers, 1);
    return point % stride == stride * (index % series_) / series_;
  }

 private:
  Index series_;
  bool all_;
};

std::string title_of(const LineChart& chart, const Series& series, std::size_t i) {
  const std::string x_name = chart.x.label.empty() ? "x" : chart.x.label;
  const double x = series.x[i];
  const std::string at = x == std::trunc(x) && std::abs(x) < 1e15 ? format_exact(x) : format_number(x);
  std::string out = fmt::format("{}{}{} = {}: {}", series.name, series.name.empty() ? "" : ", ", x_name, at,
                                format_number(series.y[i]));
  if (!series.spread.empty() && std::isfinite(series.spread[i]))
    out += " ± " + format_number(series.spread[i], 2);
  return "<title>" + escaped(out) + "</title>";
}

class Drawing {
 public:
  Drawing(const LineChart& chart, const Ranges& ranges, const Scales& scales)
      : chart_(chart), ranges_(ranges), scales_(scales), marking_(chart) {}

  void add(const Series& series, Index index) {
    std::vector<Point> points, upper, lower;
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      points.push_back(place(series.x[i], series.y[i]));
      const double spread = spread_at(series, i);
      upper.push_back(place(series.x[i], series.y[i] + spread));
      lower.push_back(place(series.x[i], series.y[i] - spread));
      upper.back().shown = points.back().shown;
      // Below a logarithmic axis there is no place: the band and the bar go down to its end.
      if (points.back().shown && !lower.back().shown)
        lower.back() = {points.back().x, scales_.frame.bottom, true};
      lower.back().shown = points.back().shown;
    }
    const bool band = series.band && !series.spread.empty();
    clipped += open_series(index);
    if (band) clipped += band_between(upper, lower);
    clipped += line_through(points, index / kSeriesColors) + bars_of(series, upper, lower, band) + "</g>";
    data += open_series(index) + marks(series, points, index) + "</g>";
  }

  void add(const Level& level, Index index) {
    if (!scales_.y.holds(level.y)) return;
    const PlotFrame& frame = scales_.frame;
    const double y = frame.y_at(level.y);
    // The outline of what can be hovered does not light up, the line does.
    data += open_series(index) +
            fmt::format(R"(<g class="hit"><title>{}: {}</title><g>{}<path fill="none" stroke="none" )"
                        R"(pointer-events="all" d="M{} {}h{}v{}h-{}z"/></g></g></g>)",
                        escaped(level.name), format_number(level.y),
                        line_through({{frame.left, y, true}, {frame.right, y, true}}, kLevelDash),
                        px(frame.left), px(y - kTargetRadius / 2), px(frame.right - frame.left),
                        px(kTargetRadius), px(frame.right - frame.left));
  }

  std::string clipped, data;

 private:
  [[nodiscard]] Point place(double x, double y) const { return scales_.at(x, y, ranges_.x, ranges_.y); }

  [[nodiscard]] static std::string bars_of(const Series& series, const std::vector<Point>& upper,
                                           const std::vector<Point>& lower, bool band) {
    std::string out;
    for (std::size_t i = 0; i < upper.size() && !band && !series.spread.empty(); ++i) {
      if (upper[i].shown && spread_at(series, i) > 0.0) out += error_bar(upper[i].x, upper[i].y, lower[i].y);
    }
    return out;
  }

  // A mark per point, and an invisible larger one that is easier to hover.
  [[nodiscard]] std::string marks(const Series& series, const std::vector<Point>& points, Index index) const {
    std::string out;
    const Index stride = 1 + (std::ssize(points) - 1) / kMostTargets;
    const double radius = chart_.series.size() == 1 && std::ssize(points) > kDense ? kSmallRadius : kRadius;
    for (std::size_t i = 0; i < points.size(); ++i) {
      const bool marked = marking_.has(series, index, static_cast<Index>(i));
      if (!marked && static_cast<Index>(i) % stride != 0) continue;
      if (!points[i].shown || !scales_.x.holds(series.x[i]) || !scales_.y.holds(series.y[i])) continue;
      out += R"(<g class="hit">)" + title_of(chart_, series, i);
      out += fmt::format(R"(<circle cx="{}" cy="{}" r="{}" fill="none" stroke="none" pointer-events="all"/>)",
                         px(points[i].x), px(points[i].y), px(kTargetRadius));
      if (marked) out += marker_at(points[i].x, points[i].y, radius, index);
      out += "</g>";
    }
    return out;
  }

  const LineChart& chart_;
  const Ranges& ranges_;
  const Scales& scales_;
  Marking marking_;
};

std::vector<LegendEntry> legend_of(const LineChart& chart) {
  std::vector<LegendEntry> legend;
  if (chart.series.size() == 1 && chart.series[0].name.empty() && chart.levels.empty()) return legend;
  const Marking marking(chart);
  const auto line = [](Index index, Index dash) {
    return open_series(index) + line_through({{0.0, 0.0, true}, {kSwatchWidth, 0.0, true}}, dash);
  };
  for (Index i = 0; i < std::ssize(chart.series); ++i) {
    std::string swatch = line(i, i / kSeriesColors);
    if (marking.any()) swatch += marker_at(kSwatchWidth / 2, 0.0, kRadius, i);
    legend.push_back({chart.series[static_cast<std::size_t>(i)].name, swatch + "</g>"});
  }
  for (Index i = 0; i < std::ssize(chart.levels); ++i) {
    legend.push_back({chart.levels[static_cast<std::size_t>(i)].name,
                      line(std::ssize(chart.series) + i, kLevelDash) + "</g>"});
  }
  return legend;
}

std::string x_axis(const AxisScale& x, const PlotFrame& frame) {
  std::string out;
  const double width = frame.right - frame.left;
  double free_from = 0.0;  // labels left of here would touch the one before
  for (const Tick& tick : x.ticks()) {
    const double at = frame.left + x.at(tick.value) * width;
    out += axis_line(at, frame.bottom, at, frame.bottom + 4);
    if (at - tick.label.width / 2 < free_from) continue;
    out += text_at(at, frame.bottom + 18, Anchor::kMiddle, tick.label);
    free_from = at + tick.label.width / 2 + 6;
  }
  return out + text_at(frame.left + width / 2, frame.bottom + 36, Anchor::kMiddle, x.label(width));
}

}  // namespace

std::string to_svg(const LineChart& chart) {
  const Ranges ranges = ranges_of(chart);
  const AxisScale x(chart.x, ranges.x, {.most_ticks = 8, .whole = all_whole(chart)});
  const AxisScale y(chart.y, ranges.y, {.most_ticks = 6, .to_ticks = true});
  const PlotFrame frame(chart.title, y, legend_of(chart));
  const Scales scales{x, y, frame};
  Drawing drawing(chart, ranges, scales);
  for (Index i = 0; i < std::ssize(chart.series); ++i)
    drawing.add(chart.series[static_cast<std::size_t>(i)], i);
  for (Index i = 0; i < std::ssize(chart.levels); ++i)
    drawing.add(chart.levels[static_cast<std::size_t>(i)], std::ssize(chart.series) + i);
  return frame.render("line chart", kBelow, x_axis(x, frame), drawing.clipped, drawing.data);
}

}  // namespace lorry::report
