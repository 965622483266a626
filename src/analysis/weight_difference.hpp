// analysis/weight_difference.hpp: what full fine-tuning changed, ΔW = W_tuned - W_0, of every linear map.
#pragma once
#include "analysis/update.hpp"

namespace lorry::analysis {

/// Maps both model folders; differences are formed in float64 one map at a time. Throws Error where the
/// folders are models of different shapes.
std::unique_ptr<UpdateSource> open_difference(const std::filesystem::path& tuned,
                                              const std::filesystem::path& base);

}  // namespace lorry::analysis
