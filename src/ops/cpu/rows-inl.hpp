// ops/cpu/rows-inl.hpp: whole rows to and from float32, and the exponential functions, on the vocabulary of
// simd-inl.hpp. Included once per instruction set (Highway's dynamic dispatch), hence the guard.
#if defined(LORRY_OPS_CPU_ROWS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LORRY_OPS_CPU_ROWS_INL
#undef LORRY_OPS_CPU_ROWS_INL
#else
#define LORRY_OPS_CPU_ROWS_INL
#endif

#include <hwy/highway.h>

#include <cstring>

#include "core/check.hpp"
#include "core/index.hpp"
#include "ops/cpu/simd-inl.hpp"
#include "tensor/matrix.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {  // internal: other files have helpers of the same names

/// out[0, n) = elements [col, col + n) of a row of an F32 or BF16 view.
HWY_INLINE void read_row(const ConstMatrixView& view, Index row, Index col, Index n, float* out) {
  with_type(view.dtype, [&]<class T>(T /*tag*/) HWY_ATTR {
    const T* from = view.row<T>(row) + col;
    for_each_vector(n, [&](Index i, Index count) HWY_ATTR { store(load(from + i, count), out + i, count); });
  });
}
/// The inverse of read_row: rounds to the type of the view.
HWY_INLINE void write_row(const float* in, const MatrixView& view, Index row, Index col, Index n) {
  with_type(view.dtype, [&]<class T>(T /*tag*/) HWY_ATTR {
    T* to = view.row<T>(row) + col;
    for_each_vector(n, [&](Index i, Index count) HWY_ATTR { store(load(in + i, count), to + i, count); });
  });
}

/// x = whole + rest, |rest| <= 1/2, and 2^whole; whole in [-126, 127].
struct PowerOfTwo {
  FloatVec whole;
  FloatVec power;
};
HWY_INLINE PowerOfTwo split_power(FloatVec x) {
  // At 1.5 * 2^23 the spacing of floats is 1: the sum rounds x and holds it, with the bias of the exponent
  // field, in its low bits.
  const FloatVec magic = splat(12582912.0F + 127.0F);
  const FloatVec sum = hn::Add(x, magic);
  return {hn::Sub(sum, magic), hn::BitCast(kFloats, hn::ShiftLeft<23>(hn::BitCast(kWords, sum)))};
}

/// 2^x for x <= 1 to 1e-7 relative; exactly 0 below 2^-100, so that products with small gradients do not
/// become (slow) denormal numbers. A NaN stays a NaN.
HWY_INLINE FloatVec exp2_of_scores(FloatVec x) {
  const PowerOfTwo n = split_power(x);
  const FloatVec r = hn::Sub(x, n.whole);
  // Relative minimax fit of degree 5 on [-1/2, 1/2].
  FloatVec p = splat(1.3276471e-3F);
  p = hn::MulAdd(p, r, splat(9.6755410e-3F));
  p = hn::MulAdd(p, r, splat(5.5507131e-2F));
  p = hn::MulAdd(p, r, splat(2.4022120e-1F));
  p = hn::MulAdd(p, r, splat(6.9314694e-1F));
  p = hn::MulAdd(p, r, splat(1.0000001F));
  return hn::IfThenZeroElse(hn::Lt(x, splat(-100.0F)), hn::Mul(p, n.power));
}

/// e^x to 2e-7 relative for x in [-87, 88], clamped outside. A NaN stays a NaN (a comparison with it is
/// false).
HWY_INLINE FloatVec exp_clamped(FloatVec x) {
  x = hn::IfThenElse(hn::Gt(x, splat(88.0F)), splat(88.0F), x);
  x = hn::IfThenElse(hn::Lt(x, splat(-87.0F)), splat(-87.0F), x);
  const PowerOfTwo n = split_power(hn::Mul(x, splat(1.44269504F)));
  // ln 2 in two parts: the first has few bits, so that its product with n is exact.
  FloatVec r = hn::NegMulAdd(n.whole, splat(0.693359375F), x);
  r = hn::NegMulAdd(n.whole, splat(-2.12194440e-4F), r);
  // Relative minimax fit of degree 6 on [-ln2/2, ln2/2].
  FloatVec p = splat(1.3836838e-3F);
  p = hn::MulAdd(p, r, splat(8.3748223e-3F));
  p = hn::MulAdd(p, r, splat(4.1668225e-2F));
  p = hn::MulAdd(p, r, splat(1.6666420e-1F));
  p = hn::MulAdd(p, r, splat(4.9999991e-1F));
  p = hn::MulAdd(p, r, splat(1.0F));
  p = hn::MulAdd(p, r, splat(1.0F));
  return hn::Mul(p, n.power);
}

/// 1 / (1 + e^-x), to a few 1e-7 relative while e^-x is representable.
HWY_INLINE FloatVec sigmoid(FloatVec x) {
  const FloatVec one = splat(1.0F);
  return hn::Div(one, hn::Add(one, exp_clamped(hn::Neg(x))));
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
