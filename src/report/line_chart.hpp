// report/line_chart.hpp: curves and profiles: training curves, spectra, one value per layer.
#pragma once
#include <limits>
#include <string>
#include <vector>

namespace lorry::report {

enum class Scale { kLinear, kLog };

/// One axis of a chart.
struct Axis {
  std::string label;
  Scale scale = Scale::kLinear;                            // kLog: what is not above 0 is no value
  double low = std::numeric_limits<double>::quiet_NaN();   // NaN: from the data
  double high = std::numeric_limits<double>::quiet_NaN();  // NaN: from the data
  std::vector<double> ticks = {};                          // empty: round numbers
};

struct Series {
  std::string name;
  std::vector<double> x = {}, y = {};  // equally long; a pair with NaN or infinity interrupts the line
  std::vector<double> spread = {};     // empty, or half the height of each point's error bar; NaN: none
  bool band = false;                   // the spread as a band behind the line
};

/// A value that has no place on the x axis: a dashed line over the whole width, without marks.
struct Level {
  std::string name;
  double y;
};

struct LineChart {
  std::string title;
  Axis x = {}, y = {};
  std::vector<Series> series = {};
  std::vector<Level> levels = {};
  bool markers = true;  // at every point; false, and of many points: so few that they tell the series apart
};

/// An <svg> element as heat_map.hpp's. Points can be hovered for their value without a script. Series differ
/// by colour, dash and marker, so that they can be told apart in grey print.
std::string to_svg(const LineChart& chart);

}  // namespace lorry::report
