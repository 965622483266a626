// ops/cpu/byte_chunks-inl.hpp: codes of packed blocks by chunks of 32 bytes, and their dots with other bytes.
// Included once per instruction set (Highway's dynamic dispatch), hence the guard.
#if defined(LORRY_OPS_CPU_BYTE_CHUNKS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LORRY_OPS_CPU_BYTE_CHUNKS_INL
#undef LORRY_OPS_CPU_BYTE_CHUNKS_INL
#else
#define LORRY_OPS_CPU_BYTE_CHUNKS_INL
#endif

#include "ops/cpu/blocks-inl.hpp"
#include "ops/cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

constexpr Index kChunk = 32;  // codes
inline constexpr hn::CappedTag<float, 8> kChunkLanes;
using ChunkSums = hn::Vec<decltype(kChunkLanes)>;
constexpr Index kChunkWidth = static_cast<Index>(hn::MaxLanes(kChunkLanes));

// add_chunk<kGroup, kSigned>(chunk, x, factors, sums): adds to `sums`, spread over its lanes, the products of
// a chunk's codes with those of x, times their factor. kGroup: 32, or 16 with two factors. kSigned: some
// codes may be negative. Those of x are not -128, so two products fit 16 bits.

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
using Chunk = __m256i;

HWY_INLINE Chunk load_chunk(const std::int8_t* codes) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes));
}

template <Index kGroup, bool kSigned>
HWY_INLINE ChunkSums add_chunk(Chunk chunk, const std::int8_t* x, const float* factors, ChunkSums sums) {
  const __m256i right = load_chunk(x);
  const __m256i magnitudes = kSigned ? _mm256_abs_epi8(chunk) : chunk;
  const __m256i others = kSigned ? _mm256_sign_epi8(right, chunk) : right;
  const __m256i pairs = _mm256_maddubs_epi16(magnitudes, others);
  const __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  __m256 factor = _mm256_broadcast_ss(factors);
  if constexpr (kGroup == 16) factor = _mm256_blend_ps(factor, _mm256_broadcast_ss(factors + 1), 0xF0);
  return hn::MulAdd(ChunkSums{_mm256_cvtepi32_ps(fours)}, ChunkSums{factor}, sums);
}

/// The chunks of a block by use(its number, chunk), in order. parts.code: room for codes.
template <BlockFormat kFormat, class Use>
HWY_INLINE void each_chunk(const std::uint8_t* block, BlockCodes& parts, Use&& use) {
  const __m256i low_bits = _mm256_set1_epi8(15);
  if constexpr (kFormat == BlockFormat::kQ8_0) {
    use(Index{0}, load_chunk(reinterpret_cast<const std::int8_t*>(block + 2)));
  } else if constexpr (kFormat == BlockFormat::kQ4_0 || kFormat == BlockFormat::kQ4_1) {
    const Index at = kFormat == BlockFormat::kQ4_0 ? 2 : 4;
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + at));
    const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(bytes), _mm_srli_epi16(bytes, 4), 1);
    const __m256i codes = _mm256_and_si256(both, low_bits);
    use(Index{0}, kFormat == BlockFormat::kQ4_0 ? _mm256_sub_epi8(codes, _mm256_set1_epi8(8)) : codes);
  } else if constexpr (kFormat == BlockFormat::kQ4_K) {
#pragma GCC unroll 4
    for (Index i = 0; i < 4; ++i) {
      const __m256i bytes = load_chunk(reinterpret_cast<const std::int8_t*>(block + 16 + 32 * i));
      use(2 * i, _mm256_and_si256(bytes, low_bits));
      use(2 * i + 1, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), low_bits));
    }
  } else {
    make_codes<kFormat>(block, parts.code);
#pragma GCC unroll 8
    for (Index i = 0; i < elements_of(kFormat) / kChunk; ++i) use(i, load_chunk(parts.code + i * kChunk));
  }
}

#else
/// The sum of kCount products, exact in float32, spread over lanes.
template <Index kCount>
HWY_INLINE ChunkSums exact_sum(const std::int8_t* codes, const std::int8_t* x) {
  const hn::Rebind<std::int8_t, decltype(kChunkLanes)> bytes;
  const hn::Rebind<std::int32_t, decltype(kChunkLanes)> ints;
  const auto load = [&](const std::int8_t* from) HWY_ATTR {
    return hn::ConvertTo(kChunkLanes, hn::PromoteTo(ints, hn::LoadU(bytes, from)));
  };
  ChunkSums sum = hn::Zero(kChunkLanes);
  for (Index i = 0; i < kCount; i += kChunkWidth) sum = hn::MulAdd(load(codes + i), load(x + i), sum);
  return sum;
}

template <Index kGroup, bool kSigned>
HWY_INLINE ChunkSums add_chunk(const std::int8_t* chunk, const std::int8_t* x, const float* factors,
                               ChunkSums sums) {
  for (Index i = 0; i < kChunk / kGroup; ++i) {
    sums = hn::MulAdd(exact_sum<kGroup>(chunk + i * kGroup, x + i * kGroup), hn::Set(kChunkLanes, factors[i]),
                      sums);
  }
  return sums;
}

HWY_INLINE const std::int8_t* load_chunk(const std::int8_t* codes) {
  return codes;
}

template <BlockFormat kFormat, class Use>
HWY_INLINE void each_chunk(const std::uint8_t* block, BlockCodes& parts, Use&& use) {
  make_codes<kFormat>(block, parts.code);
  for (Index i = 0; i < elements_of(kFormat) / kChunk; ++i) use(i, parts.code + i * kChunk);
}
#endif

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
