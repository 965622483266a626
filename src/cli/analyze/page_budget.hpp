// cli/analyze/page_budget.hpp: how much of an analysis a page draws. A 7B model has 224 modules with four
// grids of 64 x 64 each: drawn in full they are a page that browsers open in minutes. What is left out is
// said on the page; CSV, JSON and SVG files always have everything.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "report/heat_map.hpp"

namespace lorry::cli {

/// Cells of heat maps that one page draws, in its overview and in its part on every module (some 11 bytes
/// each).
inline constexpr Index kOverviewCells = 200'000;
inline constexpr Index kModuleCells = 300'000;
/// A point of a line chart, with what is shown under the pointer, costs as much as so many cells.
inline constexpr Index kCellsOfAPoint = 16;

/// Where a map goes: a page may thin it, a file has all of it.
enum class MapPlace { kPage, kFile };

/// The map, or of one with more than 64 rows or columns every n-th of them: from the last on, so that φ(p,p)
/// is there. Of a triangle, columns beyond its last row go first.
report::HeatMap thinned(report::HeatMap map);
/// Cells that thinned() leaves of a grid.
Index thinned_cells(Index rows, Index cols);
/// What thinned() did to a grid of this size, in a sentence; empty: nothing.
std::string thinning_note(Index rows, Index cols);

/// The layers whose modules are drawn, every n-th, so that a budget is kept.
class DrawnLayers {
 public:
  /// Every module by name, with the cells that its charts have.
  DrawnLayers(const std::vector<std::pair<std::string, Index>>& modules, Index budget);

  [[nodiscard]] bool holds(const std::string& module) const;
  /// What is left out, in a sentence; empty: nothing.
  [[nodiscard]] std::string note() const;

 private:
  Index stride_ = 1;  // 0: not even one layer fits
};

/// Spends a budget, entry by entry.
class PageBudget {
 public:
  explicit PageBudget(Index cells) : left_(cells) {}
  /// Whether `cells` more fit, which are then spent.
  bool take(Index cells) {
    if (cells > left_) return false;
    left_ -= cells;
    return true;
  }

 private:
  Index left_;
};

}  // namespace lorry::cli
