// ops/reference/optimizer.hpp: AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2), with torch's
// order of operations.
#pragma once
#include <cmath>

#include "ops/ops.hpp"
#include "ops/reference/dense.hpp"

namespace lorry::ops::reference {

/// One update of weight and both moments.
template <class T>
void adamw(const Dense<T>& gradient, const AdamWOptions& options, Dense<T>& weight, Dense<T>& first_moment,
           Dense<T>& second_moment) {
  const auto step = static_cast<double>(options.step);
  const double correction1 = 1.0 - std::pow(options.beta1, step);
  const double correction2 = 1.0 - std::pow(options.beta2, step);
  for (std::size_t i = 0; i < weight.values.size(); ++i) {
    const T g = gradient.values[i] * T(options.gradient_scale);
    T& m = first_moment.values[i];
    T& v = second_moment.values[i];
    m += T(1.0 - options.beta1) * (g - m);
    v = T(options.beta2) * v + T(1.0 - options.beta2) * g * g;
    const T denominator = std::sqrt(v) / T(std::sqrt(correction2)) + T(options.eps);
    weight.values[i] *= T(1.0 - options.lr * options.weight_decay);
    weight.values[i] -= T(options.lr / correction1) * m / denominator;
  }
}

}  // namespace lorry::ops::reference
