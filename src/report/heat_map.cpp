#include "report/heat_map.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/check.hpp"
#include "report/color.hpp"
#include "report/heat_cells.hpp"
#include "report/number.hpp"
#include "report/svg.hpp"

namespace lorry::report {

namespace {

constexpr double kExtent = 240.0;      // wanted of the grid, in pixels
constexpr double kLargestCell = 22.0;  // a small grid stays small
constexpr double kGap = 6.0;           // between a grid and what is written beside it
constexpr double kTextLine = 16.0;     // height of a line of text
constexpr double kBarWidth = 10.0;
constexpr double kLongestName = 130.0;  // of a named row or column
constexpr double kShortName = 30.0;     // needs no turning
constexpr double kLeastWidth = 200.0;   // of the whole, for the title
constexpr double kLeastBar = 72.0;      // height of the colour bar

double cell_size(Index count) {
  const double exact = kExtent / static_cast<double>(std::max<Index>(count, 1));
  return exact >= 3.0 ? std::min(std::round(exact), kLargestCell) : exact;
}

void check(const HeatMap& map) {
  LORRY_CHECK(map.rows >= 0 && map.cols >= 0);
  LORRY_CHECK_EQ(std::ssize(map.values), map.rows * map.cols);
  LORRY_CHECK(map.low < map.high && std::isfinite(map.low) && std::isfinite(map.high));
  LORRY_CHECK(map.x_ticks.empty() || std::ssize(map.x_ticks) == map.cols);
  LORRY_CHECK(map.y_ticks.empty() || std::ssize(map.y_ticks) == map.rows);
}

// Every how many cells a number is written so that labels of `size` pixels stay apart.
Index stride_of(Index count, double cell, double size) {
  const bool power_of_two = (count & (count - 1)) == 0;
  const std::vector<Index> strides = power_of_two
                                         ? std::vector<Index>{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}
                                         : std::vector<Index>{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000};
  for (const Index stride : strides) {
    if (static_cast<double>(stride) * cell >= size) return stride;
  }
  return std::max<Index>(count, 1);
}

// The cells that get a label, from 0: with names every stride-th; with numbers the first, and multiples of
// the stride.
std::vector<Index> labelled(bool named, Index count, double cell, double size) {
  const Index stride = stride_of(count, cell, size);
  std::vector<Index> chosen;
  for (Index i = 0; i < count; ++i) {
    const bool first = i == 0 && (stride == 1 || static_cast<double>(stride - 1) * cell >= size);
    if (named ? i % stride == 0 : first || (i + 1) % stride == 0) chosen.push_back(i);
  }
  return chosen;
}

Label tick_label(const std::vector<std::string>& names, Index i) {
  if (names.empty()) return number_label(std::to_string(i + 1));
  return label_of(names[static_cast<std::size_t>(i)], kLongestName);
}

double widest_label(const std::vector<std::string>& names, Index count) {
  double widest = 0.0;
  for (Index i = 0; i < count; ++i) widest = std::max(widest, tick_label(names, i).width);
  return widest;
}

struct Layout {
  Index cols;  // that are drawn
  CellPlace cells;
  double width, height;  // of the grid
  bool x_upright;        // the columns' labels are turned
  double x_label_height;
};

Layout layout_of(const HeatMap& map) {
  Layout at{};
  at.cols = drawn_columns(map);
  at.cells.left =
      widest_label(map.y_ticks, map.rows) + kGap + 2 + (map.y_label.empty() ? 0.0 : kTextLine + 2);
  at.cells.top = kTextLine + 8;
  at.cells.width = cell_size(at.cols);
  at.cells.height = cell_size(map.rows);
  at.width = at.cells.width * static_cast<double>(at.cols);
  at.height = at.cells.height * static_cast<double>(map.rows);
  const double names = widest_label(map.x_ticks, at.cols);
  // Short ones, numbers mostly, are thinned out instead.
  at.x_upright = names > kShortName && names + kGap > at.cells.width;
  at.x_label_height = at.x_upright ? names + kGap : kTextLine;
  return at;
}

std::string y_axis(const HeatMap& map, const Layout& at) {
  std::string out;
  const double left = at.cells.left;
  for (const Index i : labelled(!map.y_ticks.empty(), map.rows, at.cells.height, kTextLine + 2)) {
    const double y = at.cells.top + (static_cast<double>(i) + 0.5) * at.cells.height;
    out += axis_line(left - 3, y, left, y) +
           text_at(left - kGap, y + 4, Anchor::kEnd, tick_label(map.y_ticks, i));
  }
  if (map.y_label.empty()) return out;
  return out + upward_text_at(kTitleSize - 1, at.cells.top + at.height / 2, Anchor::kMiddle,
                              label_of(map.y_label, at.height + 2 * kTextLine));
}

std::string x_axis(const HeatMap& map, const Layout& at) {
  std::string out;
  const double bottom = at.cells.top + at.height;
  const double space = at.x_upright ? kTextLine - 2 : widest_label(map.x_ticks, at.cols) + kGap;
  for (const Index i : labelled(!map.x_ticks.empty(), at.cols, at.cells.width, space)) {
    const double x = at.cells.left + (static_cast<double>(i) + 0.5) * at.cells.width;
    const Label label = tick_label(map.x_ticks, i);
    out += axis_line(x, bottom, x, bottom + 3);
    out += at.x_upright ? upward_text_at(x + 4, bottom + kGap, Anchor::kEnd, label)
                        : text_at(x, bottom + kTextLine, Anchor::kMiddle, label);
  }
  if (map.x_label.empty()) return out;
  return out + text_at(at.cells.left + at.width / 2, bottom + at.x_label_height + kTextLine + 2,
                       Anchor::kMiddle, label_of(map.x_label, at.cells.left + at.width));
}

// Written beside the colour bar at its low end, middle and high end.
Label bar_label(const HeatMap& map, double part) {
  return number_label(fmt::format("{:.3g}", map.low * (1.0 - part) + map.high * part));
}

double bar_label_width(const HeatMap& map) {
  return std::max({bar_label(map, 0.0).width, bar_label(map, 0.5).width, bar_label(map, 1.0).width});
}

std::string color_bar(const HeatMap& map, double left, double top, double height) {
  constexpr Index kParts = 32;
  std::string out = fmt::format(
      R"svg(<g transform="translate({} {})scale({} {:.6g})translate(0 .5)" stroke-width="1.1" )svg"
      R"svg(shape-rendering="crispEdges">)svg",
      px(left), px(top), kBarWidth, height / kParts);
  for (Index i = 0; i < kParts; ++i) {
    out += fmt::format(R"(<path stroke="{}" d="M0 {}h1"/>)", ramp_color(kRampSteps - 1 - 2 * i), i);
  }
  out += "</g>";
  for (const double part : {0.0, 0.5, 1.0}) {
    const double y = top + (1.0 - part) * height;
    out += axis_line(left + kBarWidth, y, left + kBarWidth + 3, y);
    out += text_at(left + kBarWidth + kGap, y + 4, Anchor::kStart, bar_label(map, part));
  }
  return out;
}

std::string outline(const HeatMap& map, const Layout& at) {
  const double left = at.cells.left;
  const double top = at.cells.top;
  if (map.lower_left_triangle_only) {
    return axis_line(left, top, left, top + at.height) +
           axis_line(left, top + at.height, left + at.width, top + at.height);
  }
  return fmt::format(R"(<path class="axis" fill="none" stroke="{}" d="M{} {}h{}v{}h-{}z"/>)", kAxisColor,
                     px(left), px(top), px(at.width), px(at.height), px(at.width));
}

}  // namespace

std::string to_svg(const HeatMap& map) {
  check(map);
  const Layout at = layout_of(map);
  const double bar_left = at.cells.left + at.width + 14;
  const double bar_height = std::max(at.height, kLeastBar);
  const double width = std::max(bar_left + kBarWidth + kGap + bar_label_width(map) + 2, kLeastWidth);
  const double below = at.x_label_height + kGap + (map.x_label.empty() ? 0.0 : kTextLine);
  const double height = at.cells.top + std::max(at.height + below, bar_height + kGap);
  std::string out =
      open_svg(width, height,
               fmt::format("{}: heat map of {} rows ({}) by {} columns ({}), colours from {} to {}",
                           map.title, map.rows, map.y_label, at.cols, map.x_label, format_number(map.low),
                           format_number(map.high)));
  out += title_at(at.cells.left, kTitleSize, map.title, width - at.cells.left);
  out += heat_cells(map, at.cells) + outline(map, at) + y_axis(map, at) + x_axis(map, at);
  return out + color_bar(map, bar_left, at.cells.top, bar_height) + "</svg>\n";
}

}  // namespace lorry::report
