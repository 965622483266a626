// report/plot_frame.hpp: what line and bar charts share: title, legend, both axes with their grid, and the
// area inside.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/index.hpp"
#include "report/axis_scale.hpp"

namespace lorry::report {

/// Opens the group of one series: colour for fill and stroke by `index`, which may exceed the number of
/// colours.
std::string open_series(Index index);

/// A mark of radius `r` at a point in the series' colour: round, square, and so on by `index`, as many shapes
/// as there are colours.
std::string marker_at(double x, double y, double r, Index index);

/// A vertical line from y1 to y2 with a short bar at each end, in the series' colour.
std::string error_bar(double x, double y1, double y2);

struct LegendEntry {
  std::string name;
  std::string swatch;  // drawn in a box of kSwatchWidth by 10 pixels around (0, 0) at its left end's middle
};

inline constexpr double kSwatchWidth = 24.0;

/// The frame of a chart. Everything lies in pixels from the top left corner; `left` to `right` and `top` to
/// `bottom` bound the area of the data.
class PlotFrame {
 public:
  /// `y` must outlive the frame.
  PlotFrame(std::string_view title, const AxisScale& y, const std::vector<LegendEntry>& legend);

  double left, right, top, bottom;

  /// Where a value that the y axis can show lies, which may be outside the area.
  [[nodiscard]] double y_at(double value) const;

  /// The chart, read out as a `kind`: the frame; `x_axis`, labels and lines, in the `below` pixels under the
  /// area; `clipped`, of which only what lies in the area shows; and `data` on top.
  [[nodiscard]] std::string render(std::string_view kind, double below, const std::string& x_axis,
                                   const std::string& clipped, const std::string& data) const;

 private:
  // The legend in rows that end before `right`, from `baseline` on, which moves to the last row.
  void add_legend(const std::vector<LegendEntry>& legend, double& baseline);
  [[nodiscard]] std::string y_axis() const;

  std::string title_, legend_markup_, names_;
  const AxisScale& y_;
};

}  // namespace lorry::report
