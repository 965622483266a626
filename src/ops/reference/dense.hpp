// ops/reference/dense.hpp: the plain matrix that the naive operators are written on. They are the
// specification: templates over the number type, so that float checks the kernels, double gives the exact
// value and std::complex<double> the gradient. No strides, no threads, no speed.
#pragma once
#include <cstddef>
#include <vector>

#include "core/check.hpp"
#include "core/index.hpp"
#include "tensor/matrix.hpp"

namespace lorry::ops::reference {

/// Row-major [rows, cols] values of any number type; zero at first.
template <class T>
struct Dense {
  Index rows = 0;
  Index cols = 0;
  std::vector<T> values;

  Dense() = default;
  Dense(Index row_count, Index col_count)
      : rows(row_count), cols(col_count), values(static_cast<std::size_t>(row_count * col_count)) {}

  T& operator()(Index i, Index j) { return values[static_cast<std::size_t>(i * cols + j)]; }
  const T& operator()(Index i, Index j) const { return values[static_cast<std::size_t>(i * cols + j)]; }
};

/// The elements of a view (F32, BF16 or F16) as T.
template <class T>
Dense<T> dense(ConstMatrixView view) {
  Dense<T> out(view.rows, view.cols);
  const auto fill = [&]<class E>(E /*tag*/) {
    for (Index i = 0; i < view.rows; ++i) {
      for (Index j = 0; j < view.cols; ++j) out(i, j) = T(to_float(view.row<E>(i)[j]));
    }
  };
  if (view.dtype == DType::kF32) {
    fill(float{});
  } else if (view.dtype == DType::kBF16) {
    fill(BF16{});
  } else {
    fill(F16{});
  }
  return out;
}

/// The same values in another number type.
template <class T, class From>
Dense<T> cast(const Dense<From>& from) {
  Dense<T> out(from.rows, from.cols);
  for (std::size_t i = 0; i < from.values.size(); ++i) out.values[i] = T(from.values[i]);
  return out;
}

}  // namespace lorry::ops::reference
