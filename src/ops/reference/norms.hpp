// ops/reference/norms.hpp: the specification of the norms (docs/math/rms_norm.md, layer_norm.md).
#pragma once
#include <cmath>
#include <complex>

#include "ops/reference/dense.hpp"

namespace lorry::ops::reference {

/// y = (x - mean) / sqrt(var + eps) * weight + bias, per group of weight.cols columns; centered: false leaves
/// the mean out (RMS norm). bias [1, D] may be empty (rows == 0).
template <class T>
Dense<T> norm(const Dense<T>& x, const Dense<T>& weight, const Dense<T>& bias, double eps, bool centered) {
  Dense<T> y(x.rows, x.cols);
  const Index width = weight.cols;
  for (Index i = 0; i < x.rows; ++i) {
    for (Index col = 0; col < x.cols; col += width) {
      T mean = T(0);
      for (Index j = 0; centered && j < width; ++j) mean += x(i, col + j) / T(width);
      T variance = T(0);
      for (Index j = 0; j < width; ++j) {
        variance += (x(i, col + j) - mean) * (x(i, col + j) - mean) / T(width);
      }
      const T inverse = T(1) / std::sqrt(variance + T(eps));
      for (Index j = 0; j < width; ++j) {
        y(i, col + j) = (x(i, col + j) - mean) * inverse * weight(0, j);
        if (bias.rows > 0) y(i, col + j) += bias(0, j);
      }
    }
  }
  return y;
}

}  // namespace lorry::ops::reference
