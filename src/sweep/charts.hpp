// sweep/charts.hpp: the results of a sweep as pictures, each with the name of its file.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "sweep/summary.hpp"

namespace lorry::sweep {

struct Chart {
  std::string name;     // of its .svg: "held-out-by-rank"
  std::string caption;  // whole sentences
  std::string svg;      // an <svg> element of report/
};

/// Whether make_charts may give a chart this name, of some plan.
bool is_chart_name(std::string_view name);

/// Bars with error bars for every row; loss against rank for every series; loss over steps, held-out and
/// training, in one chart or, of many rows, in one for each set of targets. What has no result yet is left
/// out, and so is a chart without any, or of single points.
std::vector<Chart> make_charts(const Plan& plan, const std::vector<RowSummary>& rows);

}  // namespace lorry::sweep
