// ops/reference/integer_matmul.hpp: the specification of Integers::kTiles, in plain loops.
// docs/math/int8.md.
#pragma once
#include <algorithm>
#include <cmath>

#include "ops/reference/dense.hpp"
#include "tensor/packed.hpp"

namespace lorry::ops::reference {

/// a op(b) for int8 b [O,I]; transpose_b: op(b) = b^T, and the scales of b's rows stay outside of the sums.
inline Dense<float> integer_matmul(const Dense<float>& a, const PackedMatrix& b, bool transpose_b) {
  constexpr Index kGroup = 128;
  constexpr float kSteps = 63.0F;
  const auto* const absmax = std::get<RowScales>(b.scales).absmax;
  const auto code = [&](Index row, Index col) {
    return static_cast<int>(static_cast<signed char>(b.codes[static_cast<std::size_t>(row * b.cols + col)]));
  };
  Dense<float> c(a.rows, transpose_b ? b.rows : b.cols);
  for (Index i = 0; i < a.rows; ++i) {
    for (Index k = 0; k < a.cols; k += kGroup) {
      const Index end = std::min(k + kGroup, a.cols);
      const auto number = [&](Index n) { return transpose_b ? a(i, n) : a(i, n) * (absmax[n] / 127.0F); };
      float top = 0;
      for (Index n = k; n < end; ++n) top = std::max(top, std::abs(number(n)));
      const float inverse = top > 0 ? kSteps / top : 0;
      for (Index j = 0; j < c.cols; ++j) {
        int sum = 0;
        for (Index n = k; n < end; ++n) {
          const int rounded = static_cast<int>(std::nearbyint(number(n) * inverse));
          sum += rounded * (transpose_b ? code(j, n) : code(n, j));
        }
        c(i, j) += static_cast<float>(sum) * (top / kSteps);
      }
    }
    for (Index j = 0; transpose_b && j < c.cols; ++j) c(i, j) *= absmax[j] / 127.0F;
  }
  return c;
}

}  // namespace lorry::ops::reference
