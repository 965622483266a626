// ops/cpu/simd-inl.hpp: the vector vocabulary of the kernels: F32, BF16 and F16 elements as float32 vectors,
// with tails. Highway compiles the including file once per instruction set (hwy/foreach_target.h), hence the
// guard that toggles.
#if defined(LORRY_OPS_CPU_SIMD_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LORRY_OPS_CPU_SIMD_INL
#undef LORRY_OPS_CPU_SIMD_INL
#else
#define LORRY_OPS_CPU_SIMD_INL
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "core/check.hpp"
#include "core/index.hpp"
#include "tensor/dtype.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
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

/// Reads kLanes elements as float32; no alignment needed.
HWY_INLINE FloatVec load(const float* from) {
  return hn::LoadU(kFloats, from);
}
HWY_INLINE FloatVec load(const BF16* from) {
  const auto bits = hn::LoadU(kHalfWords, reinterpret_cast<const std::uint16_t*>(from));
  return hn::BitCast(kFloats, hn::ShiftLeft<16>(hn::PromoteTo(kWords, bits)));
}
HWY_INLINE FloatVec load(const F16* from) {
#if HWY_TARGET == HWY_SCALAR
  return splat(to_float(*from));
#else
  const hn::Rebind<hwy::float16_t, FloatTag> halfs;
  const auto bits = hn::LoadU(kHalfWords, reinterpret_cast<const std::uint16_t*>(from));
  return hn::PromoteTo(kFloats, hn::BitCast(halfs, bits));
#endif
}

/// x rounded to BF16 in the upper half of each word, rubbish below: to nearest even, a NaN stays a NaN (as
/// to_bf16).
HWY_INLINE hn::Vec<decltype(kWords)> bf16_words(FloatVec x) {
  const auto bits = hn::BitCast(kWords, x);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(kWords, 1U));
  const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(kWords, 0x7fffU)));
  const auto quiet = hn::Or(bits, hn::Set(kWords, 0x400000U));
  return hn::IfThenElse(hn::RebindMask(kWords, hn::IsNaN(x)), quiet, rounded);
}

/// x rounded to BF16 and back.
HWY_INLINE FloatVec round_to_bf16(FloatVec x) {
  return hn::BitCast(kFloats, hn::And(bf16_words(x), hn::Set(kWords, 0xffff0000U)));
}

/// Writes kLanes elements, rounding to nearest even.
HWY_INLINE void store(FloatVec x, float* to) {
  hn::StoreU(x, kFloats, to);
}
HWY_INLINE void store(FloatVec x, BF16* to) {
  const auto upper = hn::TruncateTo(kHalfWords, hn::ShiftRight<16>(bf16_words(x)));
  hn::StoreU(upper, kHalfWords, reinterpret_cast<std::uint16_t*>(to));
}
HWY_INLINE void store(FloatVec x, F16* to) {
#if HWY_TARGET == HWY_SCALAR
  *to = to_f16(hn::GetLane(x));
#else
  const hn::Rebind<hwy::float16_t, FloatTag> halfs;
  const auto bits = hn::BitCast(kHalfWords, hn::DemoteTo(halfs, x));
  hn::StoreU(bits, kHalfWords, reinterpret_cast<std::uint16_t*>(to));
#endif
}

/// The first `count` (1 <= count <= kLanes) elements; the others are zero. Touches nothing behind them.
template <class T>
HWY_INLINE FloatVec load(const T* from, Index count) {
  if (count == kLanes) return load(from);
  T buffer[kLanes] = {};
  std::memcpy(buffer, from, static_cast<std::size_t>(count) * sizeof(T));
  return load(buffer);
}
template <class T>
HWY_INLINE void store(FloatVec x, T* to, Index count) {
  if (count == kLanes) return store(x, to);
  T buffer[kLanes];
  store(x, buffer);
  std::memcpy(to, buffer, static_cast<std::size_t>(count) * sizeof(T));
}

/// Calls body(i, count) for every vector of a row of n elements; count < kLanes for the last one only.
template <class Body>
HWY_INLINE void for_each_vector(Index n, Body&& body) {
  Index i = 0;
  for (; i + kLanes <= n; i += kLanes) body(i, kLanes);
  if (i < n) body(i, n - i);
}

HWY_INLINE float sum_of_lanes(FloatVec x) {
  return hn::GetLane(hn::SumOfLanes(kFloats, x));
}

/// Calls f(float{}), f(BF16{}) or f(F16{}): the run-time type as a compile-time one.
template <class F>
HWY_INLINE void with_type(DType dtype, F&& f) {
  if (dtype == DType::kF32) return f(float{});
  if (dtype == DType::kBF16) return f(BF16{});
  LORRY_CHECK(dtype == DType::kF16);
  f(F16{});
}

}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
