// ops/reference/matmul.hpp: the dense product as its definition has it.
#pragma once
#include "ops/reference/dense.hpp"

namespace lorry::ops::reference {

template <class T>
Dense<T> transpose(const Dense<T>& a) {
  Dense<T> out(a.cols, a.rows);
  for (Index i = 0; i < a.rows; ++i) {
    for (Index j = 0; j < a.cols; ++j) out(j, i) = a(i, j);
  }
  return out;
}

/// a [M,K] b [K,N].
template <class T>
Dense<T> matmul(const Dense<T>& a, const Dense<T>& b) {
  LORRY_CHECK_EQ(a.cols, b.rows);
  Dense<T> c(a.rows, b.cols);
  for (Index i = 0; i < a.rows; ++i) {
    for (Index k = 0; k < a.cols; ++k) {
      for (Index j = 0; j < b.cols; ++j) c(i, j) += a(i, k) * b(k, j);
    }
  }
  return c;
}

}  // namespace lorry::ops::reference
