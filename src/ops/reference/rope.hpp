// ops/reference/rope.hpp: the specification of rotary positions (docs/math/rope.md).
#pragma once
#include <cstdint>
#include <span>

#include "ops/reference/dense.hpp"

namespace lorry::ops::reference {

/// Every head's pairs (i, i + head_dim/2), as complex numbers, times cos + i sin of the row's position.
template <class T>
Dense<T> rope(const Dense<double>& cos_sin, std::span<const std::int32_t> positions, Index head_dim,
              const Dense<T>& x) {
  Dense<T> y(x.rows, x.cols);
  const Index half = head_dim / 2;
  for (Index i = 0; i < x.rows; ++i) {
    const Index position = positions[static_cast<std::size_t>(i)];
    for (Index col = 0; col < x.cols; col += head_dim) {
      for (Index j = 0; j < half; ++j) {
        const T c = T(cos_sin(position, j));
        const T s = T(cos_sin(position, half + j));
        y(i, col + j) = x(i, col + j) * c - x(i, col + half + j) * s;
        y(i, col + half + j) = x(i, col + half + j) * c + x(i, col + j) * s;
      }
    }
  }
  return y;
}

}  // namespace lorry::ops::reference
