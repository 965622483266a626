// One row of x meets one row of the table, for every head: the table's row stays in the first-level cache.
#include "ops/cpu/rope.hpp"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/rope.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/parallel.hpp"
#include "ops/cpu/rows-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

/// Rotates one head x [2*half] by the angles whose cosines and sines follow each other in cos_sin.
template <class T>
HWY_INLINE void rotate_head(const float* cos_sin, Index half, FloatVec sign, T* x) {
  for_each_vector(half, [&](Index i, Index n) HWY_ATTR {
    const FloatVec c = load(cos_sin + i, n);
    const FloatVec s = hn::Mul(sign, load(cos_sin + half + i, n));
    const FloatVec a = load(x + i, n);
    const FloatVec b = load(x + half + i, n);
    store(hn::NegMulAdd(b, s, hn::Mul(a, c)), x + i, n);
    store(hn::MulAdd(a, s, hn::Mul(b, c)), x + half + i, n);
  });
}

void rope_rows(ConstMatrixView cos_sin, std::span<const std::int32_t> positions, Index head_dim, bool inverse,
               MatrixView x) {
  const Index block = std::max<Index>(1, (1 << 14) / x.cols);
  const FloatVec sign = splat(inverse ? -1.0F : 1.0F);
  parallel_for(pieces(x.rows, block), [&](Index b) HWY_ATTR {
    with_type(x.dtype, [&]<class T>(T /*tag*/) HWY_ATTR {
      for (Index i = b * block; i < std::min(x.rows, (b + 1) * block); ++i) {
        const float* table = cos_sin.row<float>(positions[static_cast<std::size_t>(i)]);
        T* row = x.row<T>(i);
        for (Index col = 0; col < x.cols; col += head_dim) rotate_head(table, head_dim / 2, sign, row + col);
      }
    });
  });
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lorry::ops::cpu {
HWY_EXPORT(rope_rows);

void rope(ConstMatrixView cos_sin, std::span<const std::int32_t> positions, Index head_dim, bool inverse,
          MatrixView x) {
  LORRY_CHECK(head_dim > 0 && head_dim % 2 == 0 && x.cols > 0 && x.cols % head_dim == 0);
  LORRY_CHECK_EQ(cos_sin.cols, head_dim);
  LORRY_CHECK_EQ(static_cast<Index>(positions.size()), x.rows);
  for (const std::int32_t position : positions) LORRY_CHECK(position >= 0 && position < cos_sin.rows);
  HWY_DYNAMIC_DISPATCH(rope_rows)(cos_sin, positions, head_dim, inverse, x);
}

}  // namespace lorry::ops::cpu
#endif
