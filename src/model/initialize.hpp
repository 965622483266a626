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

inline constexpr Index kShardBytes = 5'000'000'000;  // as transformers cuts them

/// The same with the linear maps of the blocks in NF4 with double quantisation (model/bnb_format.hpp), in
/// shards of at most `shard_bytes` where one tensor does not need more, with their index. Codes are drawn as
/// such: independent but for pairs of neighbours, each as frequent as quantising blocks of normal numbers
/// makes it; scales are spread by a quarter around the mean that gives the deviation `std`. `dtype` is that
/// of embeddings, head, norms and biases, whose numbers are those of write_random_weights. Memory: some MiB.
void write_random_nf4(const std::filesystem::path& folder, const ModelConfig& config, float std, DType dtype,
                      std::uint64_t seed, const std::function<void(Index, Index)>& progress,
                      Index shard_bytes = kShardBytes);

}  // namespace lorry::model
