// ops/cpu/blocks-inl.hpp: packed blocks taken apart by vectors: what unpacking and products of few rows
// share. Included once per instruction set (Highway's dynamic dispatch), hence the guard.
#if defined(LORRY_OPS_CPU_BLOCKS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LORRY_OPS_CPU_BLOCKS_INL
#undef LORRY_OPS_CPU_BLOCKS_INL
#else
#define LORRY_OPS_CPU_BLOCKS_INL
#endif

#include <array>
#include <cstring>

#include "ops/cpu/simd-inl.hpp"
#include "tensor/block_codes.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

constexpr Index elements_of(BlockFormat format) {
  switch (format) {
    case BlockFormat::kQ2_K:
    case BlockFormat::kQ3_K:
    case BlockFormat::kQ4_K:
    case BlockFormat::kQ5_K:
    case BlockFormat::kQ6_K:
      return 256;
    default:
      return 32;
  }
}

/// Where the bytes of a matrix begin.
HWY_INLINE const std::uint8_t* bytes_of(const PackedMatrix& matrix) {
  return reinterpret_cast<const std::uint8_t*>(matrix.codes.data());
}

/// The float16 at an address of any alignment; with kOneNan every NaN as the one whose lower bits are zero,
/// which Rounding::kGguf asks for.
template <bool kOneNan>
HWY_INLINE float half_at(const std::uint8_t* at) {
  std::uint16_t word = 0;
  std::memcpy(&word, at, sizeof(word));
  if (kOneNan && (word & 0x7fffU) > 0x7c00U) word = 0x7e00U;
#if HWY_TARGET == HWY_SCALAR
  return to_float(F16{word});
#else
  const hn::CappedTag<float, 4> four;
  const hn::Rebind<std::uint16_t, decltype(four)> bits;
  const hn::Rebind<hwy::float16_t, decltype(four)> halves;
  return hn::GetLane(hn::PromoteTo(four, hn::BitCast(halves, hn::Set(bits, word))));
#endif
}

/// kLanes codes as numbers.
HWY_INLINE FloatVec load_codes(const std::int8_t* from) {
  const hn::Rebind<std::int8_t, FloatTag> bytes;
  return hn::ConvertTo(kFloats, hn::PromoteTo(kInts, hn::LoadU(bytes, from)));
}

/// to[i] = factor * byte i of eight signed ones, the first one lowest.
HWY_INLINE void scale_8(std::uint64_t from, float factor, float* to) {
  const hn::CappedTag<float, 8> floats;
  const hn::Rebind<std::int8_t, decltype(floats)> bytes;
  const hn::Rebind<std::int32_t, decltype(floats)> ints;
  alignas(8) std::int8_t codes[8];
  std::memcpy(codes, &from, sizeof(codes));
  for (std::size_t i = 0; i < 8; i += hn::MaxLanes(floats)) {
    const auto numbers = hn::ConvertTo(floats, hn::PromoteTo(ints, hn::LoadU(bytes, codes + i)));
    hn::Store(hn::Mul(numbers, hn::Set(floats, factor)), floats, to + i);
  }
}

/// take_scales where they are many, by vectors.
template <BlockFormat kFormat>
HWY_INLINE void make_scales(const std::uint8_t* block, float d, float m, BlockCodes& to) {
  if constexpr (kFormat == BlockFormat::kQ4_K || kFormat == BlockFormat::kQ5_K) {
    // As block_codes::six_bit_scales has it: the first four scales and minima, then the last four of both.
    std::uint64_t first = 0;
    std::uint32_t rest = 0;
    std::memcpy(&first, block + 4, sizeof(first));
    std::memcpy(&rest, block + 12, sizeof(rest));
    const std::uint64_t low = first & 0x3f3f3f3f3f3f3f3fU;
    const std::uint64_t lower_bits = (rest & 0x0f0f0f0fU) | std::uint64_t{rest & 0xf0f0f0f0U} << 28;
    const std::uint64_t high = lower_bits | (first >> 2 & 0x3030303030303030U);
    const std::uint64_t scales = (low & 0xffffffffU) | high << 32;
    const std::uint64_t minima = low >> 32 | (high & 0xffffffff00000000U);
    scale_8(scales, d, to.scale);
    scale_8(minima, -m, to.offset);
  } else if constexpr (kFormat == BlockFormat::kQ6_K) {
    std::array<std::uint64_t, 2> scales;
    std::memcpy(scales.data(), block + 192, sizeof(scales));
    scale_8(scales[0], d, to.scale);
    scale_8(scales[1], d, to.scale + 8);
  } else {
    take_scales<kFormat>(block, d, m, to);
  }
}

#if HWY_TARGET != HWY_SCALAR
/// Of Q5_0 and Q5_1: 32 codes of five bits, the fifth ones in four bytes before the others, plus `amount`.
HWY_INLINE void make_five_bits(const std::uint8_t* fifth, std::int8_t amount, std::int8_t* to) {
  const hn::CappedTag<std::int8_t, 16> codes;  // of them 16 on every instruction set
  const hn::RebindToUnsigned<decltype(codes)> bytes;
  const auto pairs = hn::LoadU(bytes, fifth + 4);
  const auto store_half = [&](auto low, const std::uint8_t* bits, std::int8_t* out) HWY_ATTR {
    const auto high = hn::IfThenElseZero(hn::LoadMaskBits(codes, bits), hn::Set(codes, 16));
    hn::Store(hn::Add(hn::Or(hn::BitCast(codes, low), high), hn::Set(codes, amount)), codes, out);
  };
  store_half(hn::And(pairs, hn::Set(bytes, 0xF)), fifth, to);
  store_half(hn::ShiftRight<4>(pairs), fifth + 2, to + 16);
}
#endif

/// take_codes, by vectors where compilers make none of it.
template <BlockFormat kFormat>
HWY_INLINE void make_codes(const std::uint8_t* block, std::int8_t* to) {
#if HWY_TARGET != HWY_SCALAR
  if constexpr (kFormat == BlockFormat::kQ5_0) return make_five_bits(block + 2, -16, to);
  if constexpr (kFormat == BlockFormat::kQ5_1) return make_five_bits(block + 4, 0, to);
#endif
  take_codes<kFormat>(block, to);
}

/// Formats whose codes become numbers straight from the block, below; those of four bits where vectors are
/// wide enough for its order.
constexpr bool has_plain_codes(BlockFormat format) {
  const bool four_bits =
      format == BlockFormat::kQ4_0 || format == BlockFormat::kQ4_1 || format == BlockFormat::kQ4_K;
  return format == BlockFormat::kQ8_0 || (four_bits && kLanes >= 8);
}

/// The codes of a block by use(vector, its codes as numbers), of every vector % 4 in order. Without a detour
/// through memory, which would wait for its own writing.
template <BlockFormat kFormat, class Use>
HWY_INLINE void each_plain_codes(const std::uint8_t* block, Use&& use) {
  static_assert(has_plain_codes(kFormat));
  if constexpr (kFormat == BlockFormat::kQ8_0) {
    const auto* const codes = reinterpret_cast<const std::int8_t*>(block + 2);
#pragma GCC unroll 4
    for (Index v = 0; v < 32 / kLanes; ++v) use(v, load_codes(codes + v * kLanes));
  } else {
    // Runs of bytes whose low halves come first, then their high ones.
    constexpr Index kRun = kFormat == BlockFormat::kQ4_K ? 32 : 16;
    constexpr Index kFirst = kFormat == BlockFormat::kQ4_K ? 16 : kFormat == BlockFormat::kQ4_1 ? 4 : 2;
    constexpr Index kVectors = kRun / kLanes;  // of a run's low halves
    const hn::Rebind<std::uint8_t, FloatTag> bytes;
    const auto amount = hn::Set(kInts, kFormat == BlockFormat::kQ4_0 ? 8 : 0);
    const auto number = [&](auto code) HWY_ATTR {
      const auto integer = hn::BitCast(kInts, code);
      return hn::ConvertTo(kFloats, kFormat == BlockFormat::kQ4_0 ? hn::Sub(integer, amount) : integer);
    };
#pragma GCC unroll 4
    for (Index run = 0; run < elements_of(kFormat) / (2 * kRun); ++run) {
#pragma GCC unroll 4
      for (Index v = 0; v < kVectors; ++v) {
        const auto pairs = hn::PromoteTo(kWords, hn::LoadU(bytes, block + kFirst + run * kRun + v * kLanes));
        const Index low = 2 * run * kVectors + v;
        use(low, number(hn::And(pairs, hn::Set(kWords, 15U))));
        use(low + kVectors, number(hn::ShiftRight<4>(pairs)));
      }
    }
  }
}

/// Scales and offsets of a block; kOneNan as half_at has it.
template <BlockFormat kFormat, bool kOneNan = true>
HWY_INLINE void read_scales(const std::uint8_t* block, BlockCodes& to) {
  constexpr BlockGroups kGroups = groups_of(kFormat);
  const float m = kGroups.m < 0 ? 0.0F : half_at<kOneNan>(block + kGroups.m);
  make_scales<kFormat>(block, half_at<kOneNan>(block + kGroups.d), m, to);
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
