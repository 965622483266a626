// tests/support/complex_step.hpp: gradients without cancellation and without a step size to tune:
// df/dx = Im f(x + ih) / h for analytic f (Squire & Trapp 1998).
#pragma once
#include <complex>
#include <cstddef>

#include "ops/reference/dense.hpp"

namespace lorry::testing {

using Complex = std::complex<double>;
using ComplexMatrix = ops::reference::Dense<Complex>;

/// The gradient of `f` (ComplexMatrix -> Complex) at `x`, with the shape of x. f must be analytic: branch on
/// real parts only, no conj or abs.
template <class F>
ops::reference::Dense<double> complex_step_gradient(F&& f, const ops::reference::Dense<double>& x) {
  constexpr double kStep = 1e-30;
  ComplexMatrix point = ops::reference::cast<Complex>(x);
  ops::reference::Dense<double> gradient(x.rows, x.cols);
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    point.values[i] += Complex(0, kStep);
    gradient.values[i] = std::imag(f(point)) / kStep;
    point.values[i] = x.values[i];
  }
  return gradient;
}

/// sum_ij weights_ij y_ij: turns a matrix result into a loss whose gradient by y is `weights`.
inline Complex weighted_sum(const ComplexMatrix& y, const ops::reference::Dense<double>& weights) {
  Complex sum = 0;
  for (std::size_t i = 0; i < y.values.size(); ++i) sum += y.values[i] * weights.values[i];
  return sum;
}

}  // namespace lorry::testing
