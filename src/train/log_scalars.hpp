// train/log_scalars.hpp: the curves that the lines of log.jsonl are points of, under the names by which
// TensorBoard and the run report show them.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "io/json_file.hpp"

namespace lorry::train {

struct LogScalar {
  std::string name;  // "train/loss"
  double value = 0;  // finite
};

/// What stands before the X-ray's curves: FIGURE/KIND with the median over the layers of a kind, and for each
/// layer FIGURE/MODULE.
inline constexpr std::string_view kXrayScalars = "xray/";
inline constexpr std::string_view kXrayLayerScalars = "xray_layers/";

/// Of a step train/loss, train/learning_rate, train/grad_norm and train/tokens_per_second; of an evaluation
/// eval/loss and eval/perplexity; of an X-ray its figures. Nothing for a line of another kind, and nothing
/// for a figure that was not measured.
std::vector<LogScalar> log_scalars(const io::OrderedJson& line);

}  // namespace lorry::train
