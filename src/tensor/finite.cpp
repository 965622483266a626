#include "tensor/finite.hpp"

#include <algorithm>
#include <cmath>

namespace lorry {

namespace {

template <class T>
bool rows_finite(ConstMatrixView matrix) {
  for (Index i = 0; i < matrix.rows; ++i) {
    const T* row = matrix.row<T>(i);
    if (!std::all_of(row, row + matrix.cols, [](T value) { return std::isfinite(to_float(value)); }))
      return false;
  }
  return true;
}

}  // namespace

bool all_finite(ConstMatrixView matrix) {
  if (matrix.dtype == DType::kF32) return rows_finite<float>(matrix);
  if (matrix.dtype == DType::kF16) return rows_finite<F16>(matrix);
  return rows_finite<BF16>(matrix);
}

}  // namespace lorry
