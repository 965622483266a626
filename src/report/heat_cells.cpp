#include "report/heat_cells.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>

#include "report/color.hpp"
#include "report/escape.hpp"
#include "report/number.hpp"
#include "report/svg.hpp"

namespace lorry::report {

namespace {

constexpr Index kUnknown = kRampSteps;  // "step" of a cell without a value
constexpr Index kOutside = -1;          // of one that is not drawn
constexpr Index kLastPlace = 64 * 64 * 64 - 1;

bool is_outside(const HeatMap& map, Index row, Index col) {
  return map.lower_left_triangle_only && col > row;
}

double value_at(const HeatMap& map, Index row, Index col) {
  return map.values[static_cast<std::size_t>(row * map.cols + col)];
}

// Colour steps of a row's drawn cells.
void find_steps(const HeatMap& map, Index row, std::vector<Index>& steps) {
  for (Index col = 0; col < std::ssize(steps); ++col) {
    const double value = value_at(map, row, col);
    Index& step = steps[static_cast<std::size_t>(col)];
    step = is_outside(map, row, col) ? kOutside
           : std::isfinite(value)    ? ramp_step(value, map.low, map.high)
                                     : kUnknown;
  }
}

// The strokes of each step; those of kUnknown come last.
std::array<std::string, kRampSteps + 1> strokes_of(const HeatMap& map) {
  std::array<std::string, kRampSteps + 1> paths;
  std::vector<Index> steps(static_cast<std::size_t>(drawn_columns(map)));
  for (Index row = 0; row < map.rows; ++row) {
    find_steps(map, row, steps);
    for (auto at = steps.begin(); at != steps.end();) {
      const auto end = std::find_if(at, steps.end(), [at](Index step) { return step != *at; });
      if (*at != kOutside) {
        fmt::format_to(std::back_inserter(paths[static_cast<std::size_t>(*at)]), "M{} {}h{}",
                       at - steps.begin(), row, end - at);
      }
      at = end;
    }
  }
  return paths;
}

struct Ends {
  double low, high;
};

// Of the values that are drawn; both 0 where there are none.
Ends ends_of(const HeatMap& map) {
  Ends ends{std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()};
  for (Index row = 0; row < map.rows; ++row) {
    for (Index col = 0; col < drawn_columns(map); ++col) {
      const double value = value_at(map, row, col);
      if (is_outside(map, row, col) || !std::isfinite(value)) continue;
      ends.low = std::min(ends.low, value);
      ends.high = std::max(ends.high, value);
    }
  }
  return ends.low <= ends.high ? ends : Ends{0.0, 0.0};
}

std::string digits_of(const HeatMap& map, Ends ends) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  // Halves, since the whole difference of two doubles may overflow.
  const double half = ends.high / 2 - ends.low / 2;
  std::string out;
  out.reserve(static_cast<std::size_t>(3 * map.rows * drawn_columns(map)));
  for (Index row = 0; row < map.rows; ++row) {
    for (Index col = 0; col < drawn_columns(map); ++col) {
      const double value = value_at(map, row, col);
      if (is_outside(map, row, col) || !std::isfinite(value)) {
        out += "...";
        continue;
      }
      const double part = half > 0.0 ? (value / 2 - ends.low / 2) / half : 0.0;
      const Index place = std::lround(part * kLastPlace);
      for (const int shift : {12, 6, 0}) out += kDigits[static_cast<std::size_t>((place >> shift) & 63)];
    }
  }
  return out;
}

std::string names_attribute(std::string_view attribute, const std::vector<std::string>& names) {
  if (names.empty()) return {};
  std::string out = fmt::format(" {}=\"", attribute);
  for (const std::string& name : names) {
    out += escaped(name);
    out += "&#10;";
  }
  return out + '"';
}

}  // namespace

Index drawn_columns(const HeatMap& map) {
  return map.lower_left_triangle_only ? std::min(map.rows, map.cols) : map.cols;
}

std::string heat_cells(const HeatMap& map, const CellPlace& place) {
  const Ends ends = ends_of(map);
  // The strokes run along the middle of a row and are a little thicker than it: no seams between rows.
  std::string out = fmt::format(
      R"svg(<g class="cells" transform="translate({} {})scale({:.6g} {:.6g})" stroke-width="1.03" )svg"
      R"svg(shape-rendering="crispEdges" data-x="{}" data-y="{}"{}{} data-cols="{}" data-low="{}" )svg"
      R"svg(data-high="{}" data-values="{}"><g transform="translate(0 .5)">)svg",
      px(place.left), px(place.top), place.width, place.height, escaped(map.x_label), escaped(map.y_label),
      names_attribute("data-x-names", map.x_ticks), names_attribute("data-y-names", map.y_ticks),
      drawn_columns(map), format_exact(ends.low), format_exact(ends.high), digits_of(map, ends));
  const auto strokes = strokes_of(map);
  for (Index step = 0; step < kRampSteps; ++step) {
    const std::string& d = strokes[static_cast<std::size_t>(step)];
    if (!d.empty()) out += fmt::format(R"(<path stroke="{}" d="{}"/>)", ramp_color(step), d);
  }
  if (const std::string& d = strokes[kUnknown]; !d.empty()) {
    out += fmt::format(R"(<path class="none" stroke="#d4d8dc" d="{0}"/>)"
                       R"(<path class="hatch" stroke="#9aa2aa" stroke-dasharray=".25 .25" d="{0}"/>)",
                       d);
  }
  return out + "</g></g>";
}

}  // namespace lorry::report
