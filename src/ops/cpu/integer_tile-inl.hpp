// ops/cpu/integer_tile-inl.hpp: tiles of products of bytes, summed in 32 bits. Included once per instruction
// set (Highway's dynamic dispatch), hence the guard.
#if defined(LORRY_OPS_CPU_INTEGER_TILE_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LORRY_OPS_CPU_INTEGER_TILE_INL
#undef LORRY_OPS_CPU_INTEGER_TILE_INL
#else
#define LORRY_OPS_CPU_INTEGER_TILE_INL
#endif

#include <cstdint>
#include <cstring>

#include "ops/cpu/panel_product.hpp"
#include "ops/cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

// AVX2 adds two products of bytes in 16 bits and would cut off what does not fit: 2 * 127 * 128 does. So a is
// rounded to 63 steps on either side, and 64 is added, since one of the factors has to be unsigned.
constexpr float kMostOfA = 63.0F;
constexpr int kOffset = 64;

constexpr Index kHeight = 6;  // rows of a tile, as of float32 ones
using IntVec = hn::Vec<decltype(kInts)>;
constexpr Index kVectors = kLanes >= 16 ? 4 : 2;  // of a tile: its sums fit the registers
constexpr Index kWidth = kVectors * kLanes;
static_assert(kWidth <= kWidestStrip);

/// Four bytes, the first one lowest.
HWY_INLINE std::int32_t four_at(const void* at) {
  std::int32_t four;
  std::memcpy(&four, at, sizeof(four));
  return four;
}

// Whether this instruction set has vectors for VNNI, which adds four products at once. The CPU may lack it.
constexpr bool kFitsVnni = HWY_ARCH_X86 && kLanes >= 16;

/// sum + the products of fours of unsigned and of signed bytes, added up.
template <bool kVnni>
HWY_INLINE IntVec add_fours(IntVec unsigned_bytes, IntVec signed_bytes, IntVec sum) {
#if HWY_TARGET == HWY_AVX2
  const __m256i pairs = _mm256_maddubs_epi16(unsigned_bytes.raw, signed_bytes.raw);
  return IntVec{_mm256_add_epi32(sum.raw, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))};
#elif HWY_ARCH_X86 && HWY_CAP_GE512
  if constexpr (kVnni) {
    // Written out: the compiler knows of AVX-512 here, but not of VNNI.
    asm("vpdpbusd %[s], %[u], %[sum]"
        : [sum] "+v"(sum.raw)
        : [u] "v"(unsigned_bytes.raw), [s] "v"(signed_bytes.raw));
    return sum;
  }
  const __m512i pairs = _mm512_maddubs_epi16(unsigned_bytes.raw, signed_bytes.raw);
  return IntVec{_mm512_add_epi32(sum.raw, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))};
#else
  const IntVec byte = hn::Set(kInts, 255);
  const auto product = [&](IntVec u, IntVec s)
                           HWY_ATTR { return hn::Mul(hn::And(u, byte), hn::ShiftRight<24>(s)); };
  const IntVec low = hn::Add(product(unsigned_bytes, hn::ShiftLeft<24>(signed_bytes)),
                             product(hn::ShiftRight<8>(unsigned_bytes), hn::ShiftLeft<16>(signed_bytes)));
  const IntVec high = hn::Add(product(hn::ShiftRight<16>(unsigned_bytes), hn::ShiftLeft<8>(signed_bytes)),
                              product(hn::ShiftRight<24>(unsigned_bytes), signed_bytes));
  return hn::Add(sum, hn::Add(low, high));
#endif
}

/// Operands of tiles over a part of K: rows of numbers read four by four, by vectors of fours.
struct Operands {
  const std::uint8_t* rows;
  Index row_stride;
  const std::uint8_t* vectors;  // [fours, width, 4]
  Index step;                   // from one four to the next
  Index fours;
};

/// Where rows are those of b, c^T = b a^T: factors and what the offset of a adds belong to vectors and to
/// rows. Else c = a b, and it is the other way round.
struct Corrections {
  const float* factors;
  const std::int32_t* sums_of_b;  // over the part of K
};

/// sums [kRows, kWidth] (+)= the products over a part of K.
template <int kRows, bool kRowsOfB, bool kVnni>
HWY_NOINLINE void multiply_tile(const Operands& of, const Corrections& by, bool accumulate, float* sums,
                                Index stride) {
  IntVec sum[kRows][kVectors];
  for (int i = 0; i < kRows; ++i) {
    for (int v = 0; v < kVectors; ++v) {
      const IntVec of_b =
          kRowsOfB ? hn::Set(kInts, by.sums_of_b[i]) : hn::LoadU(kInts, by.sums_of_b + v * kLanes);
      sum[i][v] = hn::Mul(of_b, hn::Set(kInts, -kOffset));
    }
  }
  for (Index p = 0; p < of.fours; ++p) {
    IntVec right[kVectors];
    for (int v = 0; v < kVectors; ++v)
      right[v] =
          hn::LoadU(kInts, reinterpret_cast<const std::int32_t*>(of.vectors + p * of.step) + v * kLanes);
    for (int i = 0; i < kRows; ++i) {
      const IntVec left = hn::Set(kInts, four_at(of.rows + i * of.row_stride + 4 * p));
      for (int v = 0; v < kVectors; ++v)
        sum[i][v] = kRowsOfB ? add_fours<kVnni>(right[v], left, sum[i][v])
                             : add_fours<kVnni>(left, right[v], sum[i][v]);
    }
  }
  // Unrolled, or the sums would live in memory all along.
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      float* const to = sums + i * stride + v * kLanes;
      const FloatVec factor = kRowsOfB ? load(by.factors + v * kLanes) : splat(by.factors[i]);
      const FloatVec before = accumulate ? load(to) : splat(0.0F);
      store(hn::MulAdd(hn::ConvertTo(kFloats, sum[i][v]), factor, before), to);
    }
  }
}

template <bool kRowsOfB, bool kVnni>
HWY_INLINE void multiply_rows_as(Index rows, const Operands& of, const Corrections& by, bool accumulate,
                                 float* sums, Index stride) {
  switch (rows) {
    case 1:
      return multiply_tile<1, kRowsOfB, kVnni>(of, by, accumulate, sums, stride);
    case 2:
      return multiply_tile<2, kRowsOfB, kVnni>(of, by, accumulate, sums, stride);
    case 3:
      return multiply_tile<3, kRowsOfB, kVnni>(of, by, accumulate, sums, stride);
    case 4:
      return multiply_tile<4, kRowsOfB, kVnni>(of, by, accumulate, sums, stride);
    case 5:
      return multiply_tile<5, kRowsOfB, kVnni>(of, by, accumulate, sums, stride);
    default:
      return multiply_tile<6, kRowsOfB, kVnni>(of, by, accumulate, sums, stride);
  }
}

/// Up to kHeight rows. vnni: the CPU has it.
template <bool kRowsOfB>
HWY_INLINE void multiply_rows(bool vnni, Index rows, const Operands& of, const Corrections& by,
                              bool accumulate, float* sums, Index stride) {
  if constexpr (kFitsVnni) {
    if (vnni) return multiply_rows_as<kRowsOfB, true>(rows, of, by, accumulate, sums, stride);
  }
  multiply_rows_as<kRowsOfB, false>(rows, of, by, accumulate, sums, stride);
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
