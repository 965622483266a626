// cpu/simd-inl.hpp: the vector vocabulary of the kernels: F32 and BF16 rows as float32 vectors, with tails,
// and the exponential functions. Included once per instruction set (Highway's dynamic dispatch), hence the
// guard.
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
#include "tensor/matrix.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {  // internal: other files have helpers of the same names
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::CappedTag<float, 16>;
using FloatVec = hn::Vec<FloatTag>;
inline constexpr FloatTag kFloats;
inline constexpr hn::RebindToUnsigned<FloatTag> kWords;
inline constexpr hn::RebindToSigned<FloatTag> kInts;
inline constexpr hn::Rebind<std::uint16_t, FloatTag> kHalfWords;
inline constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(kFloats));

HWY_INLINE FloatVec splat(float x) {
  return hn::Set(kFloats, x);
}

HWY_INLINE FloatVec load(const float* from) {
  return hn::LoadU(kFloats, from);
}
HWY_INLINE FloatVec load(const BF16* from) {
  const auto bits = hn::LoadU(kHalfWords, reinterpret_cast<const std::uint16_t*>(from));
  return hn::BitCast(kFloats, hn::ShiftLeft<16>(hn::PromoteTo(kWords, bits)));
}

HWY_INLINE void store(FloatVec v, float* to) {
  hn::StoreU(v, kFloats, to);
}
/// Rounds to nearest even; a NaN stays a NaN (as to_bf16).
HWY_INLINE void store(FloatVec v, BF16* to) {
  const auto bits = hn::BitCast(kWords, v);
  const auto upper = hn::ShiftRight<16>(bits);
  const auto odd = hn::And(upper, hn::Set(kWords, 1U));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(kWords, 0x7fffU))));
  const auto quiet = hn::Or(upper, hn::Set(kWords, 0x40U));
  const auto is_nan = hn::RebindMask(kWords, hn::IsNaN(v));
  const auto result = hn::IfThenElse(is_nan, quiet, rounded);
  hn::StoreU(hn::TruncateTo(kHalfWords, result), kHalfWords, reinterpret_cast<std::uint16_t*>(to));
}

/// The first `count` (1 <= count <= kLanes) elements; the others are zero. Never reads behind them.
template <class T>
HWY_INLINE FloatVec load(const T* from, Index count) {
  if (count == kLanes) return load(from);
  T buffer[kLanes] = {};
  std::memcpy(buffer, from, static_cast<std::size_t>(count) * sizeof(T));
  return load(buffer);
}
template <class T>
HWY_INLINE void store(FloatVec v, T* to, Index count) {
  if (count == kLanes) return store(v, to);
  T buffer[kLanes];
  store(v, buffer);
  std::memcpy(to, buffer, static_cast<std::size_t>(count) * sizeof(T));
}

/// Calls body(i, count) for every vector of a row of n elements; count < kLanes for the last one only.
template <class Body>
HWY_INLINE void for_each_vector(Index n, Body&& body) {
  Index i = 0;
  for (; i + kLanes <= n; i += kLanes) body(i, kLanes);
  if (i < n) body(i, n - i);
}

HWY_INLINE float sum_of_lanes(FloatVec v) {
  return hn::GetLane(hn::SumOfLanes(kFloats, v));
}

/// Calls f(float{}) or f(BF16{}): the run-time type as a compile-time one.
template <class F>
HWY_INLINE void with_type(DType dtype, F&& f) {
  if (dtype == DType::kF32) {
    f(float{});
  } else {
    LORRY_CHECK(dtype == DType::kBF16);
    f(BF16{});
  }
}

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
