// ops/cpu/transpose-inl.hpp: small transposes in registers. Included once per instruction set (Highway's
// dynamic dispatch), hence the guard.
#if defined(LORRY_OPS_CPU_TRANSPOSE_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LORRY_OPS_CPU_TRANSPOSE_INL
#undef LORRY_OPS_CPU_TRANSPOSE_INL
#else
#define LORRY_OPS_CPU_TRANSPOSE_INL
#endif

#include <algorithm>
#include <array>

#include "ops/cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

/// kLanes rows of kLanes numbers as rows of their transpose. Registers are blocks of four numbers.
HWY_INLINE void transpose_block([[maybe_unused]] std::array<FloatVec, kLanes>& rows) {
#if HWY_TARGET != HWY_SCALAR
  static_assert(kLanes == 4 || kLanes == 8 || kLanes == 16);
  constexpr std::size_t kFours = kLanes / 4;
  const hn::Repartition<double, FloatTag> pairs;
  std::array<std::array<FloatVec, kFours>, 4> fours;  // [column of a block, four of rows]
#pragma GCC unroll 4
  for (std::size_t g = 0; g < kFours; ++g) {
    const FloatVec* const from = rows.data() + 4 * g;
    const auto low_01 = hn::BitCast(pairs, hn::InterleaveLower(kFloats, from[0], from[1]));
    const auto high_01 = hn::BitCast(pairs, hn::InterleaveUpper(kFloats, from[0], from[1]));
    const auto low_23 = hn::BitCast(pairs, hn::InterleaveLower(kFloats, from[2], from[3]));
    const auto high_23 = hn::BitCast(pairs, hn::InterleaveUpper(kFloats, from[2], from[3]));
    fours[0][g] = hn::BitCast(kFloats, hn::InterleaveLower(pairs, low_01, low_23));
    fours[1][g] = hn::BitCast(kFloats, hn::InterleaveUpper(pairs, low_01, low_23));
    fours[2][g] = hn::BitCast(kFloats, hn::InterleaveLower(pairs, high_01, high_23));
    fours[3][g] = hn::BitCast(kFloats, hn::InterleaveUpper(pairs, high_01, high_23));
  }
#pragma GCC unroll 4
  for (std::size_t c = 0; c < 4; ++c) {
    const FloatVec* const w = fours[c].data();
    if constexpr (kLanes == 4) {
      rows[c] = w[0];
    } else if constexpr (kLanes == 8) {
      rows[c] = hn::ConcatLowerLower(kFloats, w[1], w[0]);
      rows[4 + c] = hn::ConcatUpperUpper(kFloats, w[1], w[0]);
    } else {
      const FloatVec even_01 = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(w[1]), w[0]);
      const FloatVec odd_01 = hn::OddEvenBlocks(w[1], hn::SwapAdjacentBlocks(w[0]));
      const FloatVec even_23 = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(w[3]), w[2]);
      const FloatVec odd_23 = hn::OddEvenBlocks(w[3], hn::SwapAdjacentBlocks(w[2]));
      rows[c] = hn::ConcatLowerLower(kFloats, even_23, even_01);
      rows[4 + c] = hn::ConcatLowerLower(kFloats, odd_23, odd_01);
      rows[8 + c] = hn::ConcatUpperUpper(kFloats, even_23, even_01);
      rows[12 + c] = hn::ConcatUpperUpper(kFloats, odd_23, odd_01);
    }
  }
#endif
}

/// to [cols, rows], rows `to_stride` apart, with zeros up to whole vectors = the transpose of [rows, cols],
/// of which load(i, j, count) gives `count` numbers of row i from column j on.
template <class Load>
HWY_INLINE void transpose(Index rows, Index cols, const Load& load, float* to, Index to_stride) {
  for (Index i = 0; i < rows; i += kLanes) {
    const Index high = std::min(kLanes, rows - i);
    for (Index j = 0; j < cols; j += kLanes) {
      const Index wide = std::min(kLanes, cols - j);
      std::array<FloatVec, kLanes> block;
      if (high == kLanes && wide == kLanes) {
#pragma GCC unroll 16
        for (Index r = 0; r < kLanes; ++r) block[static_cast<std::size_t>(r)] = load(i + r, j, kLanes);
      } else {
        for (Index r = 0; r < kLanes; ++r)
          block[static_cast<std::size_t>(r)] = r < high ? load(i + r, j, wide) : splat(0.0F);
      }
      transpose_block(block);
      for (Index c = 0; c < wide; ++c)
        store(block[static_cast<std::size_t>(c)], to + (j + c) * to_stride + i);
    }
  }
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
