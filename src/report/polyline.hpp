// report/polyline.hpp: curves and bands through points in pixels, thinned to what can be seen.
#pragma once
#include <string>
#include <vector>

#include "core/index.hpp"

namespace lorry::report {

struct Point {
  double x, y;         // pixels
  bool shown = false;  // else the curve is interrupted here
};

/// A line without filling in the series' colour, dashed by `dash` (0: not). Points that fall into the same
/// half pixel of width become the first, the lowest, the highest and the last of them: the same picture from
/// a curve of any length. Empty where nothing is shown.
std::string line_through(const std::vector<Point>& points, Index dash = 0);

/// The area between two curves of equally many points, shown alike, in a lighter tone.
std::string band_between(const std::vector<Point>& upper, const std::vector<Point>& lower);

}  // namespace lorry::report
