// model/random_tensor.hpp: one tensor of random starting values, for this folder's sources alone.
#pragma once
#include <cstdint>
#include <functional>

#include "io/safetensors_writer.hpp"
#include "model/tensor_list.hpp"

namespace lorry::model {

/// Standard deviation of a tensor's values: `std`, but for GPT-2's two output projections.
float deviation_of(const TensorSpec& spec, const ModelConfig& config, float std);

/// Writes the tensor, which the writer knows in `dtype` (F32 or BF16), chunk by chunk on all threads: normal
/// numbers, norm weights 1, biases 0. They follow from (seed, stream) alone. `written` is told the bytes of
/// each chunk.
void write_random_tensor(io::SafetensorsWriter& writer, const TensorSpec& spec, float deviation, DType dtype,
                         std::uint64_t seed, std::uint64_t stream, const std::function<void(Index)>& written);

}  // namespace lorry::model
