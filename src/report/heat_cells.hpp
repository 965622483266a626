// report/heat_cells.hpp: the coloured cells of a heat map, and their values for the page's script.
#pragma once
#include <string>

#include "core/index.hpp"
#include "report/heat_map.hpp"

namespace lorry::report {

/// Columns of `map` that are drawn.
Index drawn_columns(const HeatMap& map);

struct CellPlace {
  double left, top;      // of the grid, in pixels
  double width, height;  // of a cell, in pixels
};

/// One <g class="cells"> in units of cells, which its transform makes as large as `place` says. Cells of one
/// colour are one path of horizontal strokes, neighbours joined. The values ride along in attributes:
/// `data-values` has three base-64 digits per drawn cell, row by row, for its place between `data-low` and
/// `data-high`, or "..." for none; `data-cols`, the labels of both axes and the names of rows and columns,
/// one per line, let the script say which cell it is.
std::string heat_cells(const HeatMap& map, const CellPlace& place);

}  // namespace lorry::report
