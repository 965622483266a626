// model/tensor_values.hpp: the numbers of a tensor in a file, whatever type it has and wherever its bytes
// lie.
#pragma once
#include <span>

#include "io/safetensors.hpp"

namespace lorry::model {

/// Whether its numbers can be read as floats: F32, F16 or BF16.
bool is_float_tensor(const io::TensorView& tensor);

/// Elements [first, first + to.size()) as float32. The tensor must be a float tensor of at least that size.
void read_floats(const io::TensorView& tensor, Index first, std::span<float> to);

}  // namespace lorry::model
