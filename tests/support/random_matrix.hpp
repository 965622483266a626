// tests/support/random_matrix.hpp: matrices of reproducible random numbers, also as strided, misaligned views
// whose surroundings are watched.
#pragma once
#include <cstdint>
#include <cstring>

#include "core/rng.hpp"
#include "tensor/matrix.hpp"

namespace lorry::testing {

/// Writes `value`, rounded to the view's type (F32, BF16 or F16), to element (i, j).
inline void put(MatrixView view, Index i, Index j, float value) {
  if (view.dtype == DType::kF32) {
    view.row<float>(i)[j] = value;
  } else if (view.dtype == DType::kBF16) {
    view.row<BF16>(i)[j] = to_bf16(value);
  } else {
    view.row<F16>(i)[j] = to_f16(value);
  }
}

/// Element (i, j) of an F32, BF16 or F16 view.
inline float get(ConstMatrixView view, Index i, Index j) {
  if (view.dtype == DType::kF32) return view.row<float>(i)[j];
  if (view.dtype == DType::kBF16) return to_float(view.row<BF16>(i)[j]);
  return to_float(view.row<F16>(i)[j]);
}

/// Normal draws of standard deviation `deviation`.
inline void fill_random(MatrixView view, std::uint64_t seed, float deviation = 1.0F) {
  Rng rng(seed);
  for (Index i = 0; i < view.rows; ++i) {
    for (Index j = 0; j < view.cols; ++j) put(view, i, j, deviation * rng.next_normal());
  }
}

inline Matrix random_matrix(Index rows, Index cols, DType dtype, std::uint64_t seed, float deviation = 1.0F) {
  Matrix matrix(rows, cols, dtype);
  fill_random(matrix, seed, deviation);
  return matrix;
}

/// A column range of a wider buffer: rows are not contiguous and start off every vector boundary.
class StridedMatrix {
 public:
  StridedMatrix(Index rows, Index cols, DType dtype) : storage_(rows, cols + kBefore + kAfter, dtype) {
    std::memset(storage_.view().data, kGuard, static_cast<std::size_t>(storage_.bytes()));
  }
  StridedMatrix(Index rows, Index cols, DType dtype, std::uint64_t seed, float deviation = 1.0F)
      : StridedMatrix(rows, cols, dtype) {
    fill_random(view(), seed, deviation);
  }

  [[nodiscard]] MatrixView view() {
    return storage_.view().col_range(kBefore, storage_.cols() - kBefore - kAfter);
  }
  operator MatrixView() { return view(); }       // NOLINT: reads as the matrix itself
  operator ConstMatrixView() { return view(); }  // NOLINT

  /// Whether every byte outside the view is as it was made.
  [[nodiscard]] bool surroundings_intact() const {
    const ConstMatrixView all = storage_.view();
    const Index bytes = size_of(all.dtype);
    for (Index i = 0; i < all.rows; ++i) {
      for (Index j = 0; j < all.cols * bytes; ++j) {
        const bool inside = j >= kBefore * bytes && j < (all.cols - kAfter) * bytes;
        if (!inside && all.data[i * all.stride * bytes + j] != static_cast<std::byte>(kGuard)) return false;
      }
    }
    return true;
  }

 private:
  static constexpr Index kBefore = 3;
  static constexpr Index kAfter = 2;
  static constexpr int kGuard = 0x5a;
  Matrix storage_;
};

/// Whether both views hold the same bits, element by element.
inline bool same_bits(ConstMatrixView a, ConstMatrixView b) {
  if (a.rows != b.rows || a.cols != b.cols || a.dtype != b.dtype) return false;
  const Index bytes = size_of(a.dtype);
  for (Index i = 0; i < a.rows; ++i) {
    const auto width = static_cast<std::size_t>(a.cols * bytes);
    if (std::memcmp(a.data + i * a.stride * bytes, b.data + i * b.stride * bytes, width) != 0) return false;
  }
  return true;
}

}  // namespace lorry::testing
