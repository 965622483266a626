// train/xray_state.hpp: what an X-ray (train/xray.hpp) remembers, in a checkpoint's folder: xray.safetensors
// with the directions of the last measurement, xray.json with its figures.
#pragma once
#include <filesystem>
#include <optional>
#include <vector>

#include "train/xray.hpp"

namespace lorry::train {

struct XrayState {
  std::vector<analysis::LiveDirections> directions;
  std::optional<XrayReport> last;  // nothing before the first measurement
  LossTrend losses = {};
};

/// Throws Error where a file cannot be written.
void save_xray_state(const std::filesystem::path& folder, const XrayState& state);
/// Throws Error naming file and field or tensor.
XrayState load_xray_state(const std::filesystem::path& folder);

}  // namespace lorry::train
