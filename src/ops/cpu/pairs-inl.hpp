// ops/cpu/pairs-inl.hpp: the numbers that products multiply, floats or pairs of BF16, and how matrices are
// laid out in them. Included once per instruction set (Highway's dynamic dispatch), hence the guard.
#if defined(LORRY_OPS_CPU_PAIRS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LORRY_OPS_CPU_PAIRS_INL
#undef LORRY_OPS_CPU_PAIRS_INL
#else
#define LORRY_OPS_CPU_PAIRS_INL
#endif

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "ops/cpu/transpose-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

/// Two numbers that follow each other along K, the first one lower in memory.
struct Pair {
  BF16 first;
  BF16 second;
};
static_assert(sizeof(Pair) == sizeof(float));

/// Elements along K of a number that is multiplied.
template <class Number>
constexpr Index kAlong = std::is_same_v<Number, Pair> ? 2 : 1;
using WordVec = hn::Vec<decltype(kWords)>;

/// Whether this CPU can multiply pairs: with AVX-512 in hardware or not at all, else by floats.
inline bool cpu_has_pairs() {
#if HWY_ARCH_X86 && HWY_CAP_GE512
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return true;
#endif
}

HWY_INLINE FloatVec vector_at(const float* from) {
  return load(from);
}
HWY_INLINE WordVec vector_at(const Pair* from) {
  return hn::LoadU(kWords, reinterpret_cast<const std::uint32_t*>(from));
}
HWY_INLINE FloatVec broadcast(const float* from) {
  return splat(*from);
}
HWY_INLINE WordVec broadcast(const Pair* from) {
  std::uint32_t word;
  std::memcpy(&word, from, sizeof(word));
  return hn::Set(kWords, word);
}

/// sum + left right; of pairs sum + left.first right.first + left.second right.second.
HWY_INLINE FloatVec multiply_add(FloatVec left, FloatVec right, FloatVec sum) {
  return hn::MulAdd(left, right, sum);
}
HWY_INLINE FloatVec multiply_add(WordVec left, WordVec right, FloatVec sum) {
#if HWY_ARCH_X86 && HWY_CAP_GE512
  // Written out: the compiler knows of AVX-512 here, but not of its BF16.
  asm("vdpbf16ps %[right], %[left], %[sum]"
      : [sum] "+v"(sum.raw)
      : [left] "v"(left.raw), [right] "v"(right.raw));
  return sum;
#else
  const WordVec upper = hn::Set(kWords, 0xffff0000U);
  const auto first = [](WordVec pairs) HWY_ATTR { return hn::BitCast(kFloats, hn::ShiftLeft<16>(pairs)); };
  const auto second = [&](WordVec pairs) HWY_ATTR { return hn::BitCast(kFloats, hn::And(pairs, upper)); };
  return hn::MulAdd(first(left), first(right), hn::MulAdd(second(left), second(right), sum));
#endif
}

/// x rounded to BF16, by hardware that is there where pairs are multiplied, in the lower half of each word.
HWY_INLINE WordVec to_bf16_words(FloatVec x) {
#if HWY_ARCH_X86 && HWY_CAP_GE512
  __m256i halves;
  asm("vcvtneps2bf16 %[x], %[halves]" : [halves] "=v"(halves) : [x] "v"(x.raw));
  return WordVec{_mm512_cvtepu16_epi32(halves)};
#else
  return hn::ShiftRight<16>(bf16_words(x));
#endif
}

/// to [kLanes] = pairs of two vectors' numbers.
HWY_INLINE void store_pairs(WordVec first, WordVec second, Pair* to) {
  hn::StoreU(hn::Or(first, hn::ShiftLeft<16>(second)), kWords, reinterpret_cast<std::uint32_t*>(to));
}

/// to [kLanes] = the lower halves.
HWY_INLINE void store_halves(WordVec words, BF16* to) {
  hn::StoreU(hn::TruncateTo(kHalfWords, words), kHalfWords, reinterpret_cast<std::uint16_t*>(to));
}

/// to [count] = rows k of a matrix, and k + 1 for pairs, which is zero where there is none.
template <class T>
HWY_INLINE void take_rows(const T* row, const T* /*next*/, Index count, float* to) {
  for_each_vector(count, [&](Index i, Index lanes) HWY_ATTR { store(load(row + i, lanes), to + i, lanes); });
}
HWY_INLINE void take_rows(const BF16* row, const BF16* next, Index count, Pair* to) {
  Index i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::Repartition<std::uint16_t, FloatTag> halves;
  const hn::Repartition<std::uint64_t, FloatTag> fours;
  // Interleaving takes the lower, then the upper four numbers of every block of eight.
  constexpr std::size_t kFours = kLanes / 2;
  alignas(64) std::array<std::uint64_t, kFours> order;
  for (std::size_t f = 0; f < kFours; ++f) order[f] = f % 2 * (kFours / 2) + f / 2;
  const auto indices = hn::SetTableIndices(fours, order.data());
  const auto numbers = [&](const BF16* from) HWY_ATTR {
    const auto in_order = hn::LoadU(fours, reinterpret_cast<const std::uint64_t*>(from + i));
    return hn::BitCast(halves, hn::TableLookupLanes(in_order, indices));
  };
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    const auto first = numbers(row);
    const auto second = next == nullptr ? hn::Zero(halves) : numbers(next);
    auto* const words = reinterpret_cast<std::uint16_t*>(to + i);
    hn::StoreU(hn::InterleaveLower(halves, first, second), halves, words);
    hn::StoreU(hn::InterleaveUpper(halves, first, second), halves, words + 2 * kLanes);
  }
#endif
  for (; i < count; ++i) to[i] = {row[i], next == nullptr ? BF16{} : next[i]};
}

/// to [kDepth] = `depth` elements of a row; a pair that is not whole ends in a zero.
template <class T>
HWY_INLINE void take_row(const T* row, Index depth, float* to) {
  take_rows(row, row, depth, to);
}
HWY_INLINE void take_row(const BF16* row, Index depth, Pair* to) {
  std::memcpy(static_cast<void*>(to), row, static_cast<std::size_t>(depth) * sizeof(BF16));
  if (depth % 2 != 0) to[depth / 2].second = {};
}

/// to [numbers, wide] = the transpose of `rows` rows of `depth` elements, `stride` apart; rows up to a whole
/// vector are zero.
template <class T>
HWY_INLINE void turn_rows(const T* from, Index stride, Index rows, Index depth, float* to, Index wide) {
  transpose(
      rows, depth, [&](Index i, Index p, Index count) HWY_ATTR { return load(from + i * stride + p, count); },
      to, wide);
}
HWY_INLINE void turn_rows(const BF16* from, Index stride, Index rows, Index depth, Pair* to, Index wide) {
  // Shuffled as if they were floats, which leaves their bits alone.
  const auto words = [&](Index i, Index p, Index count) HWY_ATTR {
    alignas(64) std::uint32_t buffer[kLanes] = {};
    const BF16* const at = from + i * stride + 2 * p;
    if (count == kLanes && 2 * (p + count) <= depth)
      return hn::BitCast(kFloats, vector_at(reinterpret_cast<const Pair*>(at)));
    std::memcpy(buffer, at, static_cast<std::size_t>(std::min(2 * count, depth - 2 * p)) * sizeof(BF16));
    return hn::BitCast(kFloats, hn::Load(kWords, buffer));
  };
  transpose(rows, (depth + 1) / 2, words, reinterpret_cast<float*>(to), wide);
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
