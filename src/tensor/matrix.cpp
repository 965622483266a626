#include "tensor/matrix.hpp"

#include <cstdlib>
#include <cstring>
#include <new>

namespace lorry {

namespace {

constexpr std::size_t kAlignment = 64;  // a cache line, and the widest vector register

/// Bytes for that many elements, padded to whole cache lines and never zero.
std::size_t padded_bytes(Index rows, Index cols, DType dtype) {
  LORRY_CHECK(rows >= 0 && cols >= 0);
  Index bytes = 0;
  // Sizes may come from a file or a flag: a wrapped product would be a small buffer behind a large view.
  if (__builtin_mul_overflow(rows, cols, &bytes) || __builtin_mul_overflow(bytes, size_of(dtype), &bytes) ||
      __builtin_add_overflow(bytes, static_cast<Index>(kAlignment), &bytes)) {
    throw std::bad_alloc();
  }
  return static_cast<std::size_t>(bytes) / kAlignment * kAlignment;
}

}  // namespace

Matrix::Matrix(Index rows, Index cols, DType dtype) {
  reshape(rows, cols, dtype);
  fill_zero();
}

void Matrix::reshape(Index rows, Index cols, DType dtype) {
  const std::size_t needed = padded_bytes(rows, cols, dtype);
  if (!data_ || needed > capacity_) {  // moved-from matrices have no data
    data_.reset();                     // first: both at once would double the peak
    capacity_ = 0;
    data_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, needed)));
    if (!data_) throw std::bad_alloc();
    capacity_ = needed;
  }
  rows_ = rows;
  cols_ = cols;
  dtype_ = dtype;
}

void Matrix::fill_zero() {
  if (!empty()) std::memset(data_.get(), 0, static_cast<std::size_t>(bytes()));
}

void Matrix::Free::operator()(std::byte* data) const noexcept {
  std::free(data);
}

}  // namespace lorry
