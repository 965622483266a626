// cpu/embedding.hpp: rows of a table by token. Contracts: ops/ops.hpp.
#pragma once
#include <cstdint>
#include <span>

#include "tensor/weight_view.hpp"

namespace lorry::ops::cpu {

void embedding(WeightView table, std::span<const std::int32_t> ids, MatrixView y);
void embedding_backward(ConstMatrixView dy, std::span<const std::int32_t> ids, MatrixView dtable);

}  // namespace lorry::ops::cpu
