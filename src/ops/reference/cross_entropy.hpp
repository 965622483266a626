// ops/reference/cross_entropy.hpp: the specification of the loss (docs/math/cross_entropy.md).
#pragma once
#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <span>

#include "ops/reference/dense.hpp"

namespace lorry::ops::reference {

/// Sum over rows of -log softmax(logits)[target]; rows with a negative target add nothing.
template <class T>
T cross_entropy(const Dense<T>& logits, std::span<const std::int32_t> targets) {
  T loss = T(0);
  for (Index i = 0; i < logits.rows; ++i) {
    const Index target = targets[static_cast<std::size_t>(i)];
    if (target < 0) continue;
    double top = std::real(logits(i, 0));  // any constant gives the same value; the largest avoids overflow
    for (Index j = 0; j < logits.cols; ++j) top = std::max<double>(top, std::real(logits(i, j)));
    T sum = T(0);
    for (Index j = 0; j < logits.cols; ++j) sum += std::exp(logits(i, j) - T(top));
    loss += std::log(sum) + T(top) - logits(i, target);
  }
  return loss;
}

}  // namespace lorry::ops::reference
