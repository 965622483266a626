// cpu/rope.hpp: rotary positions. Contract: ops/ops.hpp; the backward is in docs/math/rope.md.
#pragma once
#include <cstdint>
#include <span>

#include "tensor/matrix.hpp"

namespace lorry::ops::cpu {

void rope(ConstMatrixView cos_sin, std::span<const std::int32_t> positions, Index head_dim, bool inverse,
          MatrixView x);

}  // namespace lorry::ops::cpu
