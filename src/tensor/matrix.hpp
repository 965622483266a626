// tensor/matrix.hpp: row-major matrices. Views borrow and are passed by value; Matrix owns. The element type
// is a run-time tag, because weights come in whatever type the file has; typed access checks it.
#pragma once
#include <cstddef>
#include <memory>

#include "core/check.hpp"
#include "core/index.hpp"
#include "tensor/dtype.hpp"

namespace lorry {

/// Read-only view of [rows, cols] elements; row i starts `stride` elements after row i-1 (stride >= cols).
struct ConstMatrixView {
  const std::byte* data = nullptr;
  Index rows = 0;
  Index cols = 0;
  Index stride = 0;
  DType dtype = DType::kF32;

  [[nodiscard]] bool empty() const noexcept { return data == nullptr; }
  [[nodiscard]] Index size() const noexcept { return rows * cols; }

  /// First element of row i. T must match dtype.
  template <class T>
  [[nodiscard]] const T* row(Index i) const {
    LORRY_CHECK(dtype == DTypeOf<T>::value);
    return reinterpret_cast<const T*>(data) + i * stride;
  }
  [[nodiscard]] ConstMatrixView row_range(Index first, Index count) const {
    LORRY_CHECK(first >= 0 && count >= 0 && first + count <= rows);
    return {data + first * stride * size_of(dtype), count, cols, stride, dtype};
  }
  [[nodiscard]] ConstMatrixView col_range(Index first, Index count) const {
    LORRY_CHECK(first >= 0 && count >= 0 && first + count <= cols);
    return {data + first * size_of(dtype), rows, count, stride, dtype};
  }
};

/// Mutable view; the rest as ConstMatrixView, to which it converts.
struct MatrixView {
  std::byte* data = nullptr;
  Index rows = 0;
  Index cols = 0;
  Index stride = 0;
  DType dtype = DType::kF32;

  operator ConstMatrixView() const noexcept {
    return {data, rows, cols, stride, dtype};
  }  // NOLINT: a view of a view
  [[nodiscard]] bool empty() const noexcept { return data == nullptr; }
  [[nodiscard]] Index size() const noexcept { return rows * cols; }

  template <class T>
  [[nodiscard]] T* row(Index i) const {
    LORRY_CHECK(dtype == DTypeOf<T>::value);
    return reinterpret_cast<T*>(data) + i * stride;
  }
  [[nodiscard]] MatrixView row_range(Index first, Index count) const {
    LORRY_CHECK(first >= 0 && count >= 0 && first + count <= rows);
    return {data + first * stride * size_of(dtype), count, cols, stride, dtype};
  }
  [[nodiscard]] MatrixView col_range(Index first, Index count) const {
    LORRY_CHECK(first >= 0 && count >= 0 && first + count <= cols);
    return {data + first * size_of(dtype), rows, count, stride, dtype};
  }
};

/// Owns [rows, cols] contiguous elements, 64-byte aligned. Movable, not copyable.
class Matrix {
 public:
  Matrix() = default;
  /// Zero at first. Throws std::bad_alloc where the memory is not to be had.
  Matrix(Index rows, Index cols, DType dtype = DType::kF32);

  /// Makes this [rows, cols] of dtype, its contents stale. Memory is kept where it suffices, so that a matrix
  /// reused for many sizes soon stops allocating.
  void reshape(Index rows, Index cols, DType dtype);

  [[nodiscard]] Index rows() const noexcept { return rows_; }
  [[nodiscard]] Index cols() const noexcept { return cols_; }
  [[nodiscard]] DType dtype() const noexcept { return dtype_; }
  [[nodiscard]] Index size() const noexcept { return rows_ * cols_; }
  [[nodiscard]] Index bytes() const noexcept { return size() * size_of(dtype_); }
  [[nodiscard]] bool empty() const noexcept { return data_ == nullptr; }

  [[nodiscard]] MatrixView view() noexcept { return {data_.get(), rows_, cols_, cols_, dtype_}; }
  [[nodiscard]] ConstMatrixView view() const noexcept { return {data_.get(), rows_, cols_, cols_, dtype_}; }
  operator MatrixView() noexcept { return view(); }             // NOLINT: reads as the matrix itself
  operator ConstMatrixView() const noexcept { return view(); }  // NOLINT

  template <class T>
  [[nodiscard]] T* row(Index i) {
    return view().row<T>(i);
  }
  template <class T>
  [[nodiscard]] const T* row(Index i) const {
    return view().row<T>(i);
  }

  void fill_zero();

 private:
  struct Free {
    void operator()(std::byte* data) const noexcept;
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t capacity_ = 0;  // bytes
  Index rows_ = 0;
  Index cols_ = 0;
  DType dtype_ = DType::kF32;
};

}  // namespace lorry
