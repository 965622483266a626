#include "tensor/matrix.hpp"

#include <cstdlib>
#include <cstring>
#include <new>

namespace lorry {

namespace {
constexpr std::size_t kAlignment = 64;  // a cache line, and the widest vector register
}

Matrix::Matrix(Index rows, Index cols, DType dtype) : rows_(rows), cols_(cols), dtype_(dtype) {
  LORRY_CHECK(rows >= 0 && cols >= 0);
  const auto bytes = static_cast<std::size_t>(rows * cols * size_of(dtype));
  const std::size_t padded = (bytes + kAlignment) / kAlignment * kAlignment;  // never zero
  data_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, padded)));
  if (!data_) throw std::bad_alloc();
  std::memset(data_.get(), 0, padded);
}

void Matrix::fill_zero() {
  if (!empty()) std::memset(data_.get(), 0, static_cast<std::size_t>(bytes()));
}

void Matrix::Free::operator()(std::byte* data) const noexcept {
  std::free(data);
}

void ensure_shape(Matrix& matrix, Index rows, Index cols, DType dtype) {
  if (!matrix.empty() && matrix.rows() == rows && matrix.cols() == cols && matrix.dtype() == dtype) return;
  matrix = Matrix();  // free first: both at once would double the peak
  matrix = Matrix(rows, cols, dtype);
}

}  // namespace lorry
