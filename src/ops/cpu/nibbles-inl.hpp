// ops/cpu/nibbles-inl.hpp: blocks of four-bit codes made BF16 or F32 by tables. On AVX-512 the sixteen
// numbers that a group's codes can mean are computed and rounded once, and every code looks its own up; on
// AVX2 so does NF4, byte by byte. Elsewhere kNibbleTables is false and each element is computed.
#if defined(LORRY_OPS_CPU_NIBBLES_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LORRY_OPS_CPU_NIBBLES_INL
#undef LORRY_OPS_CPU_NIBBLES_INL
#else
#define LORRY_OPS_CPU_NIBBLES_INL
#endif

#include <array>
#include <bit>

#include "ops/cpu/simd-inl.hpp"
#include "tensor/block_codes.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {

/// Formats whose codes are four bits.
constexpr bool has_nibbles(BlockFormat format) {
  return format == BlockFormat::kQ4_0 || format == BlockFormat::kQ4_1 || format == BlockFormat::kQ4_K ||
         format == BlockFormat::kIQ4_NL;
}

/// What code i of a GGUF format stands for, before its scale.
template <BlockFormat kFormat>
constexpr std::array<float, 16> nibble_values() {
  std::array<float, 16> values = {};
  for (std::size_t i = 0; i < 16; ++i) {
    values[i] = static_cast<float>(i);
    if (kFormat == BlockFormat::kQ4_0) values[i] -= 8.0F;
    if (kFormat == BlockFormat::kIQ4_NL) values[i] = static_cast<float>(kIq4Values[i]);
  }
  return values;
}

/// Of which numbers. GGUF's scales come from float16: if one is no number, it has zeros below and is so after
/// rounding without a look at it.
enum class Rounding { kAny, kGguf };

#if HWY_ARCH_X86 && HWY_CAP_GE512
inline constexpr bool kNibbleTables = true;

/// a and b rounded to BF16, those of a first.
template <Rounding kRounding>
HWY_INLINE __m512i bf16_pair(FloatVec a, FloatVec b) {
  const hn::Repartition<std::uint16_t, FloatTag> halves;
  const auto round = [&](FloatVec x) HWY_ATTR {
    if (kRounding == Rounding::kAny) return hn::BitCast(halves, bf16_words(x));
    const auto bits = hn::BitCast(kWords, x);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(kWords, 1U));
    return hn::BitCast(halves, hn::Add(bits, hn::Add(odd, hn::Set(kWords, 0x7fffU))));
  };
  return hn::ConcatOdd(halves, round(b), round(a)).raw;
}

// Of an index the tables below use the lowest five bits (BF16) or four (F32).

/// 32 elements from 16 bytes: the low halves of the bytes, then the high ones, or (kPairs) high and low half
/// of each byte side by side.
template <bool kPairs>
HWY_INLINE void look_up_32(const std::uint8_t* codes, FloatVec numbers, BF16* to) {
  constexpr Rounding kRounding = kPairs ? Rounding::kAny : Rounding::kGguf;  // pairs are NF4's
  const __m512i table = bf16_pair<kRounding>(numbers, numbers);
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes));
  __m512i places;
  if constexpr (kPairs) {
    const __m512i words = _mm512_cvtepu8_epi32(bytes);
    places = _mm512_or_si512(_mm512_slli_epi32(words, 16), _mm512_srli_epi32(words, 4));
  } else {
    const __m256i words = _mm256_cvtepu8_epi16(bytes);
    places = _mm512_inserti64x4(_mm512_castsi256_si512(words), _mm256_srli_epi16(words, 4), 1);
  }
  _mm512_storeu_si512(to, _mm512_permutexvar_epi16(places, table));
}
/// The same by use(vector, numbers of it), in F32.
template <bool kPairs, class Use>
HWY_INLINE void each_of_32(const std::uint8_t* codes, FloatVec numbers, Use&& use) {
  __m512i places[2];
  if constexpr (kPairs) {
    for (int half = 0; half < 2; ++half) {
      const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes + 8 * half));
      const __m512i words = _mm512_cvtepu8_epi64(bytes);
      places[half] = _mm512_or_si512(_mm512_slli_epi64(words, 32), _mm512_srli_epi64(words, 4));
    }
  } else {
    places[0] = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
    places[1] = _mm512_srli_epi32(places[0], 4);
  }
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) use(half, FloatVec{_mm512_permutexvar_ps(places[half], numbers.raw)});
}
template <bool kPairs>
HWY_INLINE void look_up_32(const std::uint8_t* codes, FloatVec numbers, float* to) {
  each_of_32<kPairs>(codes, numbers, [&](Index v, FloatVec x) HWY_ATTR { store(x, to + v * kLanes); });
}

/// 64 elements of Q4_K from 32 bytes: low halves with the first numbers, high ones with the second.
HWY_INLINE void look_up_64(const std::uint8_t* codes, FloatVec low, FloatVec high, BF16* to) {
  const __m512i table = bf16_pair<Rounding::kGguf>(low, high);
  const __m512i words = _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes)));
  const __m512i first = _mm512_and_si512(words, _mm512_set1_epi16(15));
  const __m512i second = _mm512_or_si512(_mm512_srli_epi16(words, 4), _mm512_set1_epi16(16));
  _mm512_storeu_si512(to, _mm512_permutexvar_epi16(first, table));
  _mm512_storeu_si512(to + 32, _mm512_permutexvar_epi16(second, table));
}
/// The same by use(vector, numbers of it), in F32.
template <class Use>
HWY_INLINE void each_of_64(const std::uint8_t* codes, FloatVec low, FloatVec high, Use&& use) {
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    const auto* const at = reinterpret_cast<const __m128i*>(codes + 16 * half);
    const __m512i words = _mm512_cvtepu8_epi32(_mm_loadu_si128(at));
    use(half, FloatVec{_mm512_permutexvar_ps(words, low.raw)});
    use(2 + half, FloatVec{_mm512_permutexvar_ps(_mm512_srli_epi32(words, 4), high.raw)});
  }
}
HWY_INLINE void look_up_64(const std::uint8_t* codes, FloatVec low, FloatVec high, float* to) {
  each_of_64(codes, low, high, [&](Index v, FloatVec x) HWY_ATTR { store(x, to + v * kLanes); });
}

/// The sixteen numbers that codes of a group of Q4_0, Q4_1, IQ4_NL or Q4_K can mean.
template <BlockFormat kFormat>
HWY_INLINE FloatVec group_numbers(const BlockCodes& parts, Index group) {
  alignas(64) static constexpr std::array<float, 16> kValues = nibble_values<kFormat>();
  const FloatVec scaled = hn::Mul(splat(parts.scale[group]), hn::Load(kFloats, kValues.data()));
  return groups_of(kFormat).offsets ? hn::Add(scaled, splat(parts.offset[group])) : scaled;
}

/// Where the codes of a block of 32 begin.
constexpr Index codes_at(BlockFormat format) {
  return format == BlockFormat::kQ4_1 ? 4 : 2;
}

/// A block of these formats whose scales and offsets are known.
template <BlockFormat kFormat, class T>
HWY_INLINE void look_up_block(const std::uint8_t* block, const BlockCodes& parts, T* to) {
  if constexpr (kFormat == BlockFormat::kQ4_K) {
    for (Index j = 0; j < 4; ++j)
      look_up_64(block + 16 + 32 * j, group_numbers<kFormat>(parts, 2 * j),
                 group_numbers<kFormat>(parts, 2 * j + 1), to + 64 * j);
  } else {
    look_up_32<false>(block + codes_at(kFormat), group_numbers<kFormat>(parts, 0), to);
  }
}
/// The same by use(vector, numbers of it), rounded to BF16 if kRound.
template <BlockFormat kFormat, bool kRound, class Use>
HWY_INLINE void each_of_block(const std::uint8_t* block, const BlockCodes& parts, Use&& use) {
  const auto numbers = [&](Index group) HWY_ATTR {
    const FloatVec exact = group_numbers<kFormat>(parts, group);
    return kRound ? round_to_bf16(exact) : exact;
  };
  if constexpr (kFormat == BlockFormat::kQ4_K) {
#pragma GCC unroll 4
    for (Index j = 0; j < 4; ++j)
      each_of_64(block + 16 + 32 * j, numbers(2 * j), numbers(2 * j + 1),
                 [&](Index v, FloatVec x) HWY_ATTR { use(4 * j + v, x); });
  } else {
    each_of_32<false>(block + codes_at(kFormat), numbers(0), use);
  }
}

/// What each code of NF4 stands for, as the look-ups below want it: made once for many blocks.
using Nf4Table = std::array<float, 16>;

/// 64 elements of NF4 from 32 bytes.
template <class T>
HWY_INLINE void look_up_nf4(const std::uint8_t* codes, const Nf4Table& map, float absmax, T* to) {
  const FloatVec numbers = hn::Mul(hn::LoadU(kFloats, map.data()), splat(absmax));
  look_up_32<true>(codes, numbers, to);
  look_up_32<true>(codes + 16, numbers, to + 32);
}

/// The same by use(vector, numbers of it), rounded to BF16 if kRound.
template <bool kRound, class Use>
HWY_INLINE void each_of_nf4(const std::uint8_t* codes, const Nf4Table& map, float absmax, Use&& use) {
  FloatVec numbers = hn::Mul(hn::LoadU(kFloats, map.data()), splat(absmax));
  if (kRound) numbers = round_to_bf16(numbers);
  each_of_32<true>(codes, numbers, use);
  each_of_32<true>(codes + 16, numbers, [&](Index v, FloatVec x) HWY_ATTR { use(2 + v, x); });
}

#else
inline constexpr bool kNibbleTables = false;

template <BlockFormat kFormat, class T>
HWY_INLINE void look_up_block(const std::uint8_t* /*block*/, const BlockCodes& /*parts*/, T* /*to*/) {}
template <BlockFormat kFormat, bool kRound, class Use>
HWY_INLINE void each_of_block(const std::uint8_t* /*block*/, const BlockCodes& /*parts*/, Use&& /*use*/) {}

#if HWY_TARGET == HWY_AVX2
/// What each code of NF4 stands for, as the look-ups below want it: made once for many blocks. A table for
/// each of the four bytes of a float32: tables of bytes are looked up 32 codes at a time, where those of
/// float32 take two look-ups and a choice for every eight.
struct Nf4Table {
  __m256i planes[4];  // each twice, for the two halves of a vector

  explicit Nf4Table(const std::array<float, 16>& map) {
    alignas(16) std::array<std::array<std::uint8_t, 16>, 4> bytes;
    for (std::size_t i = 0; i < 16; ++i) {
      const auto word = std::bit_cast<std::array<std::uint8_t, 4> >(map[i]);
      for (std::size_t plane = 0; plane < 4; ++plane) bytes[plane][i] = word[plane];
    }
    for (std::size_t plane = 0; plane < 4; ++plane) {
      planes[plane] =
          _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes[plane].data())));
    }
  }

  /// The numbers of 32 codes by use(vector, numbers of it). codes: in each half, four of every eight.
  template <class Use>
  HWY_INLINE void look_up(__m256i codes, Use&& use) const {
    __m256i bytes[4];
    for (int plane = 0; plane < 4; ++plane) bytes[plane] = _mm256_shuffle_epi8(planes[plane], codes);
    const __m256i low[2] = {_mm256_unpacklo_epi8(bytes[0], bytes[1]),
                            _mm256_unpackhi_epi8(bytes[0], bytes[1])};
    const __m256i high[2] = {_mm256_unpacklo_epi8(bytes[2], bytes[3]),
                             _mm256_unpackhi_epi8(bytes[2], bytes[3])};
    for (int half = 0; half < 2; ++half) {
      use(2 * half, FloatVec{_mm256_castsi256_ps(_mm256_unpacklo_epi16(low[half], high[half]))});
      use(2 * half + 1, FloatVec{_mm256_castsi256_ps(_mm256_unpackhi_epi16(low[half], high[half]))});
    }
  }
};

/// 64 elements of NF4 from 32 bytes, the high half of each first, by use(vector, numbers of it); rounded to
/// BF16 if kRound.
template <bool kRound, class Use>
HWY_INLINE void each_of_nf4(const std::uint8_t* codes, const Nf4Table& table, float absmax, Use&& use) {
  const __m256i low_bits = _mm256_set1_epi8(15);
  // Vector v of eight is bytes 4 v to 4 v + 3: their elements 0 to 3 in the lower half, 4 to 7 in the upper
  // one. So bytes {0, 1, 4, 5, 8, 9, 12, 13} of sixteen go to the lower half, the others to the upper one.
  const __m128i order = _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
#pragma GCC unroll 2
  for (Index i = 0; i < 2; ++i) {
    const __m128i bytes =
        _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + 16 * i)), order);
    const __m256i words = _mm256_cvtepu8_epi16(bytes);
    // The high half of a byte to the lower byte of its word.
    const __m256i pairs = _mm256_or_si256(_mm256_slli_epi16(words, 8), _mm256_srli_epi16(words, 4));
    table.look_up(_mm256_and_si256(pairs, low_bits), [&](Index v, FloatVec exact) HWY_ATTR {
      const FloatVec number = hn::Mul(exact, splat(absmax));
      use(4 * i + v, kRound ? round_to_bf16(number) : number);
    });
  }
}
#else
using Nf4Table = std::array<float, 16>;
template <bool kRound, class Use>
HWY_INLINE void each_of_nf4(const std::uint8_t* codes, const Nf4Table& map, float absmax, Use&& use) {
  alignas(64) std::array<float, 16> numbers;
  for (std::size_t i = 0; i < 16; ++i) numbers[i] = map[i] * absmax;
  alignas(64) float values[64];
  for (Index i = 0; i < 32; ++i) {
    values[2 * i] = numbers[static_cast<std::size_t>(codes[i] >> 4)];
    values[2 * i + 1] = numbers[static_cast<std::size_t>(codes[i] & 0xF)];
  }
  for (Index i = 0; i < 64; i += kLanes) {
    const FloatVec x = load(values + i);
    use(i / kLanes, kRound ? round_to_bf16(x) : x);
  }
}
#endif
template <class T>
HWY_INLINE void look_up_nf4(const std::uint8_t* codes, const Nf4Table& table, float absmax, T* to) {
  each_of_nf4<false>(codes, table, absmax, [&](Index v, FloatVec x) HWY_ATTR { store(x, to + v * kLanes); });
}
#endif

}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
