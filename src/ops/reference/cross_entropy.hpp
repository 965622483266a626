// ops/reference/cross_entropy.hpp: the specification of the loss (docs/math/cross_entropy.md).
#pragma once
#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <span>

#include "ops/reference/dense.hpp"

namespace lorry::ops::reference {

/// Sum over rows of -sum_j q_j log softmax(logits)_j, where q spreads `smoothing` of the target evenly over
/// the vocabulary (Szegedy et al. 2016, arXiv:1512.00567, sec. 7); rows with a negative target add nothing.
template <class T>
T cross_entropy(const Dense<T>& logits, std::span<const std::int32_t> targets, double smoothing = 0.0) {
  T loss = T(0);
  for (Index i = 0; i < logits.rows; ++i) {
    const Index target = targets[static_cast<std::size_t>(i)];
    if (target < 0) continue;
    double top = std::real(logits(i, 0));  // any constant gives the same value; the largest avoids overflow
    for (Index j = 0; j < logits.cols; ++j) top = std::max<double>(top, std::real(logits(i, j)));
    T sum = T(0);
    for (Index j = 0; j < logits.cols; ++j) sum += std::exp(logits(i, j) - T(top));
    const T log_sum = std::log(sum) + T(top);
    T spread = T(0);
    for (Index j = 0; j < logits.cols; ++j) spread += log_sum - logits(i, j);
    loss += T(1.0 - smoothing) * (log_sum - logits(i, target));
    loss += T(smoothing / static_cast<double>(logits.cols)) * spread;
  }
  return loss;
}

}  // namespace lorry::ops::reference
