#include "tensor/weight_view.hpp"

#include <algorithm>

namespace lorry {

Index WeightView::bytes() const noexcept {
  if (!is_packed()) return dense.size() * size_of(dense.dtype);
  const double share = static_cast<double>(size()) / static_cast<double>(packed->rows * packed->cols);
  return static_cast<Index>(share * static_cast<double>(packed->bytes()));
}

std::string_view WeightView::type_name() const {
  return is_packed() ? facts_of(packed->format).name : name_of(dense.dtype);
}

void WeightView::read_row(Index i, float* to) const {
  if (is_packed()) return unpack_row(*packed, first_row + i, first_col, cols, to);
  const auto convert = [&]<class T>(T) {
    std::transform(dense.row<T>(i), dense.row<T>(i) + cols, to, [](T value) { return to_float(value); });
  };
  if (dense.dtype == DType::kBF16) return convert(BF16{});
  if (dense.dtype == DType::kF16) return convert(F16{});
  convert(float{});
}

WeightView WeightView::row_range(Index first, Index count) const {
  if (!is_packed()) return dense.row_range(first, count);
  LORRY_CHECK(first >= 0 && count >= 0 && first + count <= rows);
  WeightView part = *this;
  part.first_row += first;
  part.rows = count;
  return part;
}

WeightView WeightView::col_range(Index first, Index count) const {
  if (!is_packed()) return dense.col_range(first, count);
  LORRY_CHECK(first >= 0 && count >= 0 && first + count <= cols);
  WeightView part = *this;
  part.first_col += first;
  part.cols = count;
  return part;
}

}  // namespace lorry
