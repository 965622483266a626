// report/bar_chart.hpp: grouped bars with error bars: one group per configuration, one bar per method.
#pragma once
#include <string>
#include <vector>

#include "report/line_chart.hpp"  // Axis

namespace lorry::report {

struct BarSeries {
  std::string name;
  std::vector<double> values;       // one per group; NaN: no bar
  std::vector<double> spread = {};  // empty, or half the height of each error bar
};

struct BarChart {
  std::string title, x_label;
  Axis y;  // linear bars grow from 0 if that is in range, else from the lower end
  std::vector<std::string> groups = {};
  std::vector<BarSeries> series = {};
};

/// An <svg> element as line_chart.hpp's.
std::string to_svg(const BarChart& chart);

}  // namespace lorry::report
