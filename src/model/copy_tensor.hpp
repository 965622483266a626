// model/copy_tensor.hpp: a tensor from one safetensors file into another, as it is.
#pragma once
#include <functional>

#include "core/index.hpp"
#include "io/safetensors.hpp"
#include "io/safetensors_writer.hpp"

namespace lorry::model {

/// Writes the tensor `at_once` bytes at a time and drops the pages of `file` that were read, which count as
/// ours until then: a model may be larger than the memory. `copied` is told the bytes of each piece. Throws
/// Error as the writer does.
void copy_tensor(const io::TensorView& tensor, const io::SafetensorsFile& file, Index at_once,
                 io::SafetensorsWriter& writer, const std::function<void(Index)>& copied);

}  // namespace lorry::model
