// ops/reference/optimizer.hpp: AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2), with torch's
// order of operations and with 8-bit moments, SGD, and Lion.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "ops/dynamic_map.hpp"
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

/// A matrix as Quantized stores it.
template <class T>
struct Codes {
  std::vector<std::uint8_t> codes;
  std::vector<T> absmax;  // per kQuantBlock elements

  explicit Codes(std::size_t size)
      : codes(size),
        absmax((size + static_cast<std::size_t>(kQuantBlock) - 1) / static_cast<std::size_t>(kQuantBlock)) {}
};

inline std::uint8_t nearest_code(const DynamicMap& map, double x) {
  const auto nearer = [&](float a, float b) {
    return std::abs(static_cast<double>(a) - x) < std::abs(static_cast<double>(b) - x);
  };
  return static_cast<std::uint8_t>(std::min_element(map.begin(), map.end(), nearer) - map.begin());
}

template <class T>
void dequantize(const Codes<T>& from, const DynamicMap& map, Dense<T>& to) {
  for (std::size_t i = 0; i < from.codes.size(); ++i) {
    to.values[i] = T(map[from.codes[i]]) * from.absmax[i / static_cast<std::size_t>(kQuantBlock)];
  }
}

/// keep_above_zero: what is above 0 does not become 0.
template <class T>
void quantize(const Dense<T>& from, const DynamicMap& map, bool keep_above_zero, Codes<T>& to) {
  std::fill(to.absmax.begin(), to.absmax.end(), T(0));
  const auto absmax_of = [&](std::size_t i) -> T& {
    return to.absmax[i / static_cast<std::size_t>(kQuantBlock)];
  };
  for (std::size_t i = 0; i < from.values.size(); ++i) {
    absmax_of(i) = std::max(absmax_of(i), std::abs(from.values[i]));
  }
  for (std::size_t i = 0; i < from.values.size(); ++i) {
    const T absmax = absmax_of(i);
    const std::uint8_t code = nearest_code(map, absmax > 0 ? from.values[i] / absmax : T(0));
    const bool lost = keep_above_zero && map[code] == 0 && from.values[i] > 0;
    to.codes[i] = static_cast<std::uint8_t>(code + (lost ? 1 : 0));
  }
}

/// adamw on moments that are kept in 8 bits between the updates.
template <class T>
void adamw_8bit(const Dense<T>& gradient, const AdamWOptions& options, Dense<T>& weight,
                Codes<T>& first_moment, Codes<T>& second_moment) {
  Dense<T> m(weight.rows, weight.cols);
  Dense<T> v(weight.rows, weight.cols);
  dequantize(first_moment, dynamic_map(true), m);
  dequantize(second_moment, dynamic_map(false), v);
  adamw(gradient, options, weight, m, v);
  quantize(m, dynamic_map(true), false, first_moment);
  quantize(v, dynamic_map(false), true, second_moment);
}

/// Sutskever et al. 2013, in torch's form: the decay is a part of the gradient, the momentum a plain sum.
template <class T>
void sgd(const Dense<T>& gradient, const SgdOptions& options, Dense<T>& weight, Dense<T>& momentum) {
  for (std::size_t i = 0; i < weight.values.size(); ++i) {
    const T g = gradient.values[i] * T(options.gradient_scale) + T(options.weight_decay) * weight.values[i];
    T& m = momentum.values[i];
    m = T(options.momentum) * m + g;
    weight.values[i] -= T(options.lr) * (options.nesterov ? g + T(options.momentum) * m : m);
  }
}

/// Chen et al. 2023 (arXiv:2302.06675), algorithm 2.
template <class T>
void lion(const Dense<T>& gradient, const LionOptions& options, Dense<T>& weight, Dense<T>& mean) {
  for (std::size_t i = 0; i < weight.values.size(); ++i) {
    const T g = gradient.values[i] * T(options.gradient_scale);
    T& m = mean.values[i];
    const T c = T(options.beta1) * m + T(1.0 - options.beta1) * g;
    const T sign = c > T(0) ? T(1) : c < T(0) ? T(-1) : T(0);
    weight.values[i] -= T(options.lr) * (sign + T(options.weight_decay) * weight.values[i]);
    m = T(options.beta2) * m + T(1.0 - options.beta2) * g;
  }
}

}  // namespace lorry::ops::reference
