// model/initialize.hpp: random weights, as pretraining starts from them.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>

#include "model/config.hpp"
#include "tensor/dtype.hpp"

namespace lorry::model {

/// Writes model.safetensors with every tensor of the config, streaming: matrices and embeddings N(0, std^2),
/// norm weights 1, biases 0; GPT-2's two output projections N(0, (std / sqrt(2 layers))^2), as transformers
/// does. dtype: F32 or BF16. The numbers depend on the seed alone. `progress` is told (bytes done, bytes in
/// all). Throws Error as the file system does.
void write_random_weights(const std::filesystem::path& file, const ModelConfig& config, float std,
                          DType dtype, std::uint64_t seed, const std::function<void(Index, Index)>& progress);

}  // namespace lorry::model
