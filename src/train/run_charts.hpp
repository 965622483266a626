// train/run_charts.hpp: the curves of a run as charts.
#pragma once
#include <string>
#include <vector>

#include "io/json_file.hpp"

namespace lorry::train {

struct RunCharts {
  std::vector<std::string> training;  // loss, learning rate, gradient norm, throughput; SVG
  std::vector<std::string> xray;      // one per figure, a line per kind of layer; empty where it did not run
  std::string profile;                // the parts of a step; empty without --profile
  std::string note;                   // on `training`: how it was averaged; empty: it was not
};

/// From the lines of log.jsonl. Charts without points are left out.
RunCharts run_charts(const std::vector<io::OrderedJson>& log);

}  // namespace lorry::train
