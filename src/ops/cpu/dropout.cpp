#include "ops/cpu/dropout.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/dropout.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "core/rng.hpp"
#include "ops/cpu/parallel.hpp"
#include "ops/cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

/// Random bits of the elements [8 block, 8 block + 8 kBlocks) of a row, 16 each: kBlocks Philox blocks.
#if HWY_TARGET == HWY_SCALAR
constexpr Index kBlocks = 1;
void draw_bits(const DropoutKey& key, std::uint64_t counter, std::uint64_t* bits) {
  const auto words = philox(key.seed, key.stream, counter);
  bits[0] = words[0] | static_cast<std::uint64_t>(words[1]) << 32;
  bits[1] = words[2] | static_cast<std::uint64_t>(words[3]) << 32;
}
#else
using LongTag = hn::Repartition<std::uint64_t, FloatTag>;
constexpr Index kBlocks = static_cast<Index>(hn::MaxLanes(LongTag()));
/// core/rng.hpp's philox with one block in each 64-bit lane. Only the lower half of a lane counts, which is
/// all that MulEven reads; the upper one carries rubbish until the end.
HWY_INLINE void draw_bits(const DropoutKey& key, std::uint64_t counter, std::uint64_t* bits) {
  const LongTag d;
  const hn::Repartition<std::uint32_t, LongTag> d32;
  const auto multiply = [&](hn::Vec<LongTag> x, std::uint32_t factor)
                            HWY_ATTR { return hn::MulEven(hn::BitCast(d32, x), hn::Set(d32, factor)); };
  const auto counters = hn::Add(hn::Set(d, counter), hn::Iota(d, 0));
  auto c0 = counters;
  auto c1 = hn::ShiftRight<32>(counters);
  auto c2 = hn::Set(d, key.stream);
  auto c3 = hn::Set(d, key.stream >> 32);
  auto key0 = static_cast<std::uint32_t>(key.seed);
  auto key1 = static_cast<std::uint32_t>(key.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const auto product0 = multiply(c0, 0xD2511F53U);
    const auto product1 = multiply(c2, 0xCD9E8D57U);
    c0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(product1), c1), hn::Set(d, key0));
    c1 = product1;
    c2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(product0), c3), hn::Set(d, key1));
    c3 = product0;
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  const auto lower = hn::Set(d, 0xffffffffU);
  const auto first = hn::Or(hn::And(c0, lower), hn::ShiftLeft<32>(c1));
  const auto second = hn::Or(hn::And(c2, lower), hn::ShiftLeft<32>(c3));
  hn::StoreInterleaved2(first, second, d, bits);
}
#endif

/// Rows of x are rows [first_row, ...) and columns [first_col, ...) of the masked matrix; first_col % 8 == 0.
void dropout_rows(ConstMatrixView x, Index first_row, Index first_col, const DropoutKey& key, MatrixView y) {
  constexpr Index kStep = 8 * kBlocks;
  const FloatVec scale = splat(1.0F / (1.0F - key.rate));
  // The rate in 1/65536; what is below is dropped.
  const auto limit = static_cast<std::uint32_t>(std::lround(key.rate * 0x1p16F));
  const auto threshold = hn::Set(kWords, limit);
  const auto mask_row = [&](auto* from, auto* to, Index row) HWY_ATTR {
    for (Index j = 0; j < x.cols; j += kStep) {
      alignas(64) std::uint64_t bits[2 * kBlocks];
      const auto block = static_cast<std::uint64_t>((first_col + j) / 8);
      draw_bits(key, static_cast<std::uint64_t>(row) << 32 | block, bits);
      for_each_vector(std::min(kStep, x.cols - j), [&](Index v, Index count) HWY_ATTR {
        std::uint16_t halfs[kLanes];
        std::memcpy(halfs, reinterpret_cast<const std::byte*>(bits) + 2 * v, sizeof(halfs));
        const auto draw = hn::PromoteTo(kWords, hn::LoadU(kHalfWords, halfs));
        const auto dropped = hn::RebindMask(kFloats, hn::Lt(draw, threshold));
        const FloatVec kept = hn::Mul(load(from + j + v, count), scale);
        store(hn::IfThenZeroElse(dropped, kept), to + j + v, count);
      });
    }
  };
  with_type(x.dtype, [&]<class X>(X /*tag*/) HWY_ATTR {
    with_type(y.dtype, [&]<class Y>(Y /*tag*/) HWY_ATTR {
      for (Index i = 0; i < x.rows; ++i) mask_row(x.row<X>(i), y.row<Y>(i), first_row + i);
    });
  });
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lorry::ops::cpu {

HWY_EXPORT(dropout_rows);

void dropout(ConstMatrixView x, const DropoutKey& key, MatrixView y) {
  LORRY_CHECK_EQ(x.rows, y.rows);
  LORRY_CHECK_EQ(x.cols, y.cols);
  LORRY_CHECK(key.rate >= 0.0F && key.rate < 1.0F);
  parallel_tiles(x.rows, x.cols, [&](Index row, Index rows, Index col, Index cols) {
    HWY_DYNAMIC_DISPATCH(dropout_rows)
    (x.row_range(row, rows).col_range(col, cols), row, col, key, y.row_range(row, rows).col_range(col, cols));
  });
}

}  // namespace lorry::ops::cpu
#endif  // HWY_ONCE
