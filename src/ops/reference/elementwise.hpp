// ops/reference/elementwise.hpp: sums, biases, dropout and noise.
#pragma once
#include <cstdint>
#include <span>

#include "core/rng.hpp"
#include "ops/ops.hpp"
#include "ops/reference/dense.hpp"

namespace lorry::ops::reference {

/// y += alpha * x.
template <class T>
void add(const Dense<T>& x, T alpha, Dense<T>& y) {
  LORRY_CHECK(x.rows == y.rows && x.cols == y.cols);
  for (std::size_t i = 0; i < x.values.size(); ++i) y.values[i] += alpha * x.values[i];
}

/// y [N,O] += bias [1,O].
template <class T>
void add_bias(const Dense<T>& bias, Dense<T>& y) {
  for (Index i = 0; i < y.rows; ++i) {
    for (Index j = 0; j < y.cols; ++j) y(i, j) += bias(0, j);
  }
}

/// dbias [1,O] += column sums of dy [N,O].
template <class T>
void add_bias_backward(const Dense<T>& dy, Dense<T>& dbias) {
  for (Index i = 0; i < dy.rows; ++i) {
    for (Index j = 0; j < dy.cols; ++j) dbias(0, j) += dy(i, j);
  }
}

/// x [N,O] with column j times factors[j].
template <class T>
Dense<T> scale_columns(const Dense<T>& x, const Dense<T>& factors) {
  Dense<T> y(x.rows, x.cols);
  for (Index i = 0; i < x.rows; ++i) {
    for (Index j = 0; j < x.cols; ++j) y(i, j) = x(i, j) * factors(0, j);
  }
  return y;
}

/// sums [1,O] += sums over rows of a * b.
template <class T>
void add_column_products(const Dense<T>& a, const Dense<T>& b, Dense<T>& sums) {
  for (Index i = 0; i < a.rows; ++i) {
    for (Index j = 0; j < a.cols; ++j) sums(0, j) += a(i, j) * b(i, j);
  }
}

/// Whether dropout keeps an element: 16 bits of one Philox block per row and 8 columns, lower half of a word
/// first, against the rate in 1/65536.
inline bool dropout_keeps(const DropoutKey& key, Index row, Index col) {
  const std::uint64_t counter = static_cast<std::uint64_t>(row) << 32 | static_cast<std::uint64_t>(col / 8);
  const std::uint32_t word = philox(key.seed, key.stream, counter)[static_cast<std::size_t>(col % 8 / 2)];
  const std::uint32_t draw = col % 2 == 0 ? word & 0xffffU : word >> 16;
  return draw >= static_cast<std::uint32_t>(key.rate * 65536.0F + 0.5F);
}

/// x masked and divided by 1 - rate.
template <class T>
Dense<T> dropout(const Dense<T>& x, const DropoutKey& key) {
  Dense<T> y(x.rows, x.cols);
  for (Index i = 0; i < x.rows; ++i) {
    for (Index j = 0; j < x.cols; ++j) {
      if (dropout_keeps(key, i, j)) y(i, j) = x(i, j) / T(1.0F - key.rate);
    }
  }
  return y;
}

/// Element (row, col) of noise from [-1, 1): 24 bits of one of the four words of a Philox block.
inline double noise_draw(const NoiseKey& key, Index row, Index col) {
  const std::uint64_t counter = static_cast<std::uint64_t>(row) << 32 | static_cast<std::uint64_t>(col / 4);
  const std::uint32_t word = philox(key.seed, key.stream, counter)[static_cast<std::size_t>(col % 4)];
  return 2.0 * static_cast<double>(word >> 8) / 16777216.0 - 1.0;
}

/// x [N,D] += noise; row i has noise from [-magnitude[i], magnitude[i]).
template <class T>
void add_noise(std::span<const float> magnitude, const NoiseKey& key, Dense<T>& x) {
  for (Index i = 0; i < x.rows; ++i) {
    const auto scale = static_cast<double>(magnitude[static_cast<std::size_t>(i)]);
    for (Index j = 0; j < x.cols; ++j) x(i, j) += T(scale * noise_draw(key, i, j));
  }
}

}  // namespace lorry::ops::reference
