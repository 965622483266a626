// train/state_tensors.hpp: named matrices of a checkpoint in a safetensors file, bit for bit.
#pragma once
#include <filesystem>
#include <vector>

#include "optim/optimizer.hpp"

namespace lorry::train {

/// Throws Error where the file cannot be written.
void save_state_tensors(const std::filesystem::path& file, const std::vector<optim::StateTensor>& tensors);

/// Fills every tensor with the bytes that the file has under its name. Throws Error unless the file holds
/// exactly these names, types and shapes.
void load_state_tensors(const std::filesystem::path& file, const std::vector<optim::StateTensor>& tensors);

}  // namespace lorry::train
