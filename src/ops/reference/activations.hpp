// ops/reference/activations.hpp: the specification of SwiGLU and GELU (docs/math/swiglu.md, gelu.md).
#pragma once
#include <cmath>
#include <complex>
#include <numbers>

#include "ops/reference/dense.hpp"

namespace lorry::ops::reference {

template <class T>
Dense<T> swiglu(const Dense<T>& gate, const Dense<T>& up) {
  Dense<T> y(gate.rows, gate.cols);
  for (std::size_t i = 0; i < y.values.size(); ++i) {
    y.values[i] = gate.values[i] / (T(1) + std::exp(-gate.values[i])) * up.values[i];
  }
  return y;
}

template <class T>
Dense<T> gelu_tanh(const Dense<T>& x) {
  Dense<T> y(x.rows, x.cols);
  const T scale = T(std::sqrt(2.0 / std::numbers::pi));
  for (std::size_t i = 0; i < y.values.size(); ++i) {
    const T v = x.values[i];
    y.values[i] = T(0.5) * v * (T(1) + std::tanh(scale * (v + T(0.044715) * v * v * v)));
  }
  return y;
}

}  // namespace lorry::ops::reference
