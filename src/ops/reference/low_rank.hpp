// ops/reference/low_rank.hpp: the thin products of a low-rank update. N tokens, D features, R rank.
#pragma once
#include "ops/reference/elementwise.hpp"
#include "ops/reference/matmul.hpp"

namespace lorry::ops::reference {

/// h [N,R] = scale * x [N,D] p^T, p [R,D].
template <class T>
Dense<T> low_rank_project(const Dense<T>& x, const Dense<T>& p, T scale) {
  Dense<T> h = matmul(x, transpose(p));
  for (T& value : h.values) value *= scale;
  return h;
}

/// y [N,D] += h [N,R] p [R,D].
template <class T>
void low_rank_expand_add(const Dense<T>& h, const Dense<T>& p, Dense<T>& y) {
  add(matmul(h, p), T(1), y);
}

/// dp [R,D] += h^T [R,N] x [N,D].
template <class T>
void low_rank_outer_add(const Dense<T>& h, const Dense<T>& x, Dense<T>& dp) {
  add(matmul(transpose(h), x), T(1), dp);
}

}  // namespace lorry::ops::reference
