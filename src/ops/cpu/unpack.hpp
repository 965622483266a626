// ops/cpu/unpack.hpp: packed weights made numbers, a panel at a time.
#pragma once
#include "tensor/weight_view.hpp"

namespace lorry::ops::cpu {

/// to = from, which must be packed; to: F32, F16 or BF16. Float32 as unpack_row() has it, then rounded to the
/// type of `to`.
void unpack(WeightView from, MatrixView to);
/// to = from, packed or dense.
void copy_weight(WeightView from, MatrixView to);
/// unpack on the calling thread alone.
void unpack_serial(WeightView from, MatrixView to);
/// Asks for the bytes of a packed part: pieces of rows lie pages apart, where the hardware does not look
/// ahead.
void prefetch(WeightView from);

}  // namespace lorry::ops::cpu
