// tensor/weight_view.hpp: a frozen weight as products borrow it: dense, or packed in blocks.
#pragma once
#include <concepts>
#include <utility>

#include "tensor/matrix.hpp"
#include "tensor/packed.hpp"

namespace lorry {

/// Read-only view of [rows, cols] elements, dense or a part of a packed matrix, which must outlive it. Any
/// dense matrix or view converts to it.
struct WeightView {
  Index rows = 0;
  Index cols = 0;
  ConstMatrixView dense = {};            // empty where packed
  const PackedMatrix* packed = nullptr;  // the whole of what this is a part of
  Index first_row = 0;                   // in packed
  Index first_col = 0;

  WeightView() = default;
  template <std::convertible_to<ConstMatrixView> View>
  WeightView(View&& view)  // NOLINT: a view of a view
      : WeightView(static_cast<ConstMatrixView>(std::forward<View>(view)), nullptr) {}
  explicit WeightView(const PackedMatrix* matrix) : rows(matrix->rows), cols(matrix->cols), packed(matrix) {}

  [[nodiscard]] bool empty() const noexcept { return packed == nullptr && dense.empty(); }
  [[nodiscard]] bool is_packed() const noexcept { return packed != nullptr; }
  [[nodiscard]] Index size() const noexcept { return rows * cols; }
  /// Whether the elements are stored as this.
  [[nodiscard]] bool is(DType dtype) const noexcept { return !is_packed() && dense.dtype == dtype; }
  /// What it must be: dense.
  [[nodiscard]] ConstMatrixView as_dense() const {
    LORRY_CHECK(!is_packed());
    return dense;
  }
  /// Of the elements as they lie in memory, scales included; a part of a packed matrix counts its share.
  [[nodiscard]] Index bytes() const noexcept;
  /// "BF16", "Q4_K".
  [[nodiscard]] std::string_view type_name() const;

  /// Row i in float32; to has cols elements.
  void read_row(Index i, float* to) const;
  [[nodiscard]] WeightView row_range(Index first, Index count) const;
  [[nodiscard]] WeightView col_range(Index first, Index count) const;

 private:
  WeightView(ConstMatrixView view, std::nullptr_t /*dense*/)
      : rows(view.rows), cols(view.cols), dense(view) {}
};

}  // namespace lorry
