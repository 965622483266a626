// ops/cpu/dropout.hpp: masks drawn from counters. Contract: ops/ops.hpp.
#pragma once
#include "ops/ops.hpp"
#include "tensor/matrix.hpp"

namespace lorry::ops::cpu {

/// y = x masked and divided by 1 - rate. Element (row, col) takes the 16 bits numbered col % 8 of Philox
/// block (key.seed, key.stream, row << 32 | col / 8) and is dropped if they are below rate * 2^16.
void dropout(ConstMatrixView x, const DropoutKey& key, MatrixView y);

}  // namespace lorry::ops::cpu
