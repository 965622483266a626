// report/heat_map.hpp: a grid of values as colours, in a form small enough for hundreds on one page.
#pragma once
#include <string>
#include <vector>

#include "core/index.hpp"

namespace lorry::report {

struct HeatMap {
  std::string title, x_label, y_label;
  Index rows = 0, cols = 0;         // row 0 is on top, as in a matrix; either may be 0
  std::vector<double> values = {};  // [rows, cols]; NaN or infinite: no value, drawn grey and hatched
  double low = 0.0;                 // the ends of the colour scale, low < high; values beyond them get the
  double high = 1.0;                // colour of that end
  std::vector<std::string> x_ticks = {}, y_ticks = {};  // one per column and row, or empty: numbered from 1
  /// Only cells whose column is at most their row, and so at most `rows` columns (Figure 3 of the LoRA
  /// paper).
  bool lower_left_triangle_only = false;
};

/// An <svg> element for a page (report/page.hpp), whose script shows the value under the pointer; svg_file
/// makes it a file. Colours in 64 steps of a scale that is even to the eye and in grey print.
std::string to_svg(const HeatMap& map);

}  // namespace lorry::report
