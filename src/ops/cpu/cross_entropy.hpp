// cpu/cross_entropy.hpp: the loss over a vocabulary. Contract: ops/ops.hpp; docs/math/cross_entropy.md.
#pragma once
#include <cstdint>
#include <span>

#include "ops/ops.hpp"
#include "tensor/matrix.hpp"

namespace lorry::ops::cpu {

double cross_entropy(MatrixView logits, std::span<const std::int32_t> targets,
                     const CrossEntropyOptions& options);

}  // namespace lorry::ops::cpu
