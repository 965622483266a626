// ops/cpu/noise.hpp: uniform noise drawn from counters. Contract: ops/ops.hpp.
#pragma once
#include <span>

#include "ops/ops.hpp"
#include "tensor/matrix.hpp"

namespace lorry::ops::cpu {

/// x(i,j) += magnitude[i] * (2 u - 1); u has the upper 24 bits of word j % 4 of Philox block (key.seed,
/// key.stream, i << 32 | j / 4).
void add_noise(std::span<const float> magnitude, const NoiseKey& key, MatrixView x);

}  // namespace lorry::ops::cpu
