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

/// The float16 at an address of any alignment. Every NaN as the one whose lower bits are zero, which
/// Rounding::kGguf asks for.
HWY_INLINE float half_at(const std::uint8_t* at) {
  std::uint16_t word = 0;
  std::memcpy(&word, at, sizeof(word));
  if ((word & 0x7fffU) > 0x7c00U) word = 0x7e00U;
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

/// to[i] = factor * from[i] for 8 of them.
HWY_INLINE void scale_8(const std::int8_t* from, float factor, float* to) {
  const hn::CappedTag<float, 8> floats;
  const hn::Rebind<std::int8_t, decltype(floats)> bytes;
  const hn::Rebind<std::int32_t, decltype(floats)> ints;
  for (std::size_t i = 0; i < 8; i += hn::MaxLanes(floats)) {
    const auto numbers = hn::ConvertTo(floats, hn::PromoteTo(ints, hn::LoadU(bytes, from + i)));
    hn::Store(hn::Mul(numbers, hn::Set(floats, factor)), floats, to + i);
  }
}

/// take_scales where they are many, by vectors.
template <BlockFormat kFormat>
HWY_INLINE void make_scales(const std::uint8_t* block, float d, float m, BlockCodes& to) {
  if constexpr (kFormat == BlockFormat::kQ4_K || kFormat == BlockFormat::kQ5_K) {
    // As block_codes::six_bit_scales has it, four scales or minima at a time.
    std::array<std::uint32_t, 3> s;
    std::memcpy(s.data(), block + 4, sizeof(s));
    const std::array<std::uint32_t, 4> six_bits = {
        s[0] & 0x3f3f3f3fU, (s[2] & 0x0f0f0f0fU) | (s[0] >> 2 & 0x30303030U), s[1] & 0x3f3f3f3fU,
        (s[2] >> 4 & 0x0f0f0f0fU) | (s[1] >> 2 & 0x30303030U)};
    alignas(16) std::int8_t bytes[16];
    std::memcpy(bytes, six_bits.data(), sizeof(bytes));
    scale_8(bytes, d, to.scale);
    scale_8(bytes + 8, -m, to.offset);
  } else if constexpr (kFormat == BlockFormat::kQ6_K) {
    alignas(16) std::int8_t bytes[16];
    std::memcpy(bytes, block + 192, sizeof(bytes));
    scale_8(bytes, d, to.scale);
    scale_8(bytes + 8, d, to.scale + 8);
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

/// Scales and offsets of a block.
template <BlockFormat kFormat>
HWY_INLINE void read_scales(const std::uint8_t* block, BlockCodes& to) {
  constexpr BlockGroups kGroups = groups_of(kFormat);
  const float m = kGroups.m < 0 ? 0.0F : half_at(block + kGroups.m);
  make_scales<kFormat>(block, half_at(block + kGroups.d), m, to);
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
