#include "ops/cpu/packed_dot.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/packed_dot.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include <algorithm>
#include <array>

#include "ops/cpu/blocks-inl.hpp"
#include "ops/cpu/nibbles-inl.hpp"
#include "ops/cpu/packed_rows-inl.hpp"
#include "ops/cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

// As matvec's dot_rows: vector v of a row goes to chain v % kChains, and those behind the last whole round of
// chains to the first.
constexpr Index kChains = 4;
constexpr Index kMostRows = kLanes >= 16 ? 4 : 2;  // of x at once: as many as registers hold

template <bool kRound>
HWY_INLINE FloatVec rounded(FloatVec number) {
  return kRound ? round_to_bf16(number) : number;
}

// each_number<kRound>(row, block, use) calls use(chain, vector, its numbers) for the vectors of a block in
// order, v % kChains being the chain; numbers are rounded to BF16 if kRound.

template <bool kRound, BlockFormat kFormat, class Use>
HWY_INLINE void each_number(const GgufBlocks<kFormat>& row, Index block, Use&& use) {
  const std::uint8_t* const from = row.at(block);
  constexpr BlockGroups kGroups = groups_of(kFormat);
  BlockCodes parts;
  read_scales<kFormat>(from, parts);
  const auto take = [&](Index chain, Index v, FloatVec code) HWY_ATTR {
    const Index group = v * kLanes / kGroups.group;
    FloatVec number = hn::Mul(splat(parts.scale[group]), code);
    if (kGroups.offsets) number = hn::Add(number, splat(parts.offset[group]));
    use(chain, v, rounded<kRound>(number));
  };
  if constexpr (kNibbleTables && has_nibbles(kFormat)) {
    each_of_block<kFormat, kRound>(from, parts,
                                   [&](Index v, FloatVec number) HWY_ATTR { use(v % kChains, v, number); });
  } else if constexpr (has_plain_codes(kFormat)) {
    each_plain_codes<kFormat>(from, [&](Index v, FloatVec code) HWY_ATTR { take(v % kChains, v, code); });
  } else {
    make_codes<kFormat>(from, parts.code);
    constexpr Index kRun = std::min(kChains, elements_of(kFormat) / kLanes);
    for (Index v = 0; v < elements_of(kFormat) / kLanes; v += kRun) {
#pragma GCC unroll 4
      for (Index c = 0; c < kRun; ++c) take(c, v + c, load_codes(parts.code + (v + c) * kLanes));
    }
  }
}

struct Nf4Blocks {
  static constexpr Index kElements = 64;
  const std::uint8_t* codes;
  const Nf4Table& table;
  const Nf4Scales& scales;
  Index first;  // its first block's number in the matrix
};

template <bool kRound, class Use>
HWY_INLINE void each_number(const Nf4Blocks& row, Index block, Use&& use) {
  constexpr Index kBytes = 32;
  prefetch_ahead(row.codes + block * kBytes, kBytes);
  each_of_nf4<kRound>(row.codes + block * kBytes, row.table, row.scales.absmax_of(row.first + block),
                      [&](Index v, FloatVec number) HWY_ATTR { use(v % kChains, v, number); });
}

template <bool kRound, class Use>
HWY_INLINE void each_number(const Int8Blocks& row, Index block, Use&& use) {
  const std::int8_t* const codes = row.at(block);
  const FloatVec factor = splat(row.absmax);
  const FloatVec one = splat(1.0F / 127.0F);  // as unpacking has it
  constexpr Index kRun = std::min(kChains, Int8Blocks::kElements / kLanes);
  for (Index v = 0; v < Int8Blocks::kElements / kLanes; v += kRun) {
#pragma GCC unroll 4
    for (Index c = 0; c < kRun; ++c) {
      const FloatVec code = load_codes(codes + (v + c) * kLanes);
      use(c, v + c, rounded<kRound>(hn::Mul(hn::Mul(code, factor), one)));
    }
  }
}

/// out[m * stride] = dot(xs[m], row) for kRows rows of x.
template <bool kRound, Index kRows, class Row>
HWY_INLINE void dot_row(const std::array<const float*, kRows>& xs, Index blocks, const Row& row, float* out,
                        Index stride) {
  constexpr Index kVectors = Row::kElements / kLanes;
  constexpr Index kTurn = std::max<Index>(1, kChains / kVectors);  // blocks that go round all chains
  FloatVec sums[kRows][kChains];
  for (Index m = 0; m < kRows; ++m) {
    for (Index c = 0; c < kChains; ++c) sums[m][c] = hn::Zero(kFloats);
  }
  const auto add = [&](Index block, Index chain, Index v, FloatVec number) HWY_ATTR {
    const Index at = block * Row::kElements + v * kLanes;
    for (Index m = 0; m < kRows; ++m)
      sums[m][chain] = hn::MulAdd(number, load(xs[static_cast<std::size_t>(m)] + at), sums[m][chain]);
  };
  Index block = 0;
  for (; block + kTurn <= blocks; block += kTurn) {
#pragma GCC unroll 4
    for (Index i = 0; i < kTurn; ++i) {
      each_number<kRound>(row, block + i, [&](Index chain, Index v, FloatVec number) HWY_ATTR {
        add(block + i, (i * kVectors + chain) % kChains, v, number);
      });
    }
  }
  if constexpr (kTurn > 1) {
    for (; block < blocks; ++block)
      each_number<kRound>(
          row, block, [&](Index /*chain*/, Index v, FloatVec number) HWY_ATTR { add(block, 0, v, number); });
  }
  for (Index m = 0; m < kRows; ++m) {
    const FloatVec sum = hn::Add(hn::Add(sums[m][0], sums[m][1]), hn::Add(sums[m][2], sums[m][3]));
    out[m * stride] = sum_of_lanes(sum);
  }
}

template <bool kRound>
void dot_packed(ConstMatrixView x, const WeightView& w, MatrixView out) {
  const PackedMatrix& matrix = *w.packed;
  const auto multiply = [&](auto row_of) HWY_ATTR {
    for_each_dot<kMostRows>(x.rows, w, row_of, [&]<Index kRows>(Index m, Index o, const auto& row) HWY_ATTR {
      std::array<const float*, kRows> xs;
      for (Index i = 0; i < kRows; ++i) xs[static_cast<std::size_t>(i)] = x.row<float>(m + i);
      dot_row<kRound, kRows>(xs, w.cols / row.kElements, row, out.row<float>(m) + o, out.stride);
    });
  };
  if (matrix.format != BlockFormat::kNf4) return with_rows(matrix, multiply);
  const auto& scales = std::get<Nf4Scales>(matrix.scales);
  const Nf4Table table(scales.map);
  multiply([&](Index row) HWY_ATTR {
    return Nf4Blocks{bytes_of(matrix) + row * matrix.cols / 2, table, scales,
                     row * (matrix.cols / Nf4Blocks::kElements)};
  });
}

void dot(ConstMatrixView x, const WeightView& w, bool round_w, MatrixView out) {
  if (round_w) return dot_packed<true>(x, w, out);
  dot_packed<false>(x, w, out);
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lorry::ops::cpu {

HWY_EXPORT(dot);

bool packed_dot_serves(const WeightView& w) {
  if (!w.is_packed() || w.first_col != 0 || w.cols != w.packed->cols) return false;
  switch (w.packed->format) {
    case BlockFormat::kF32:
    case BlockFormat::kF16:
    case BlockFormat::kBF16:
      return false;
    case BlockFormat::kInt8:
      return w.cols % 32 == 0;
    default:
      return w.cols % facts_of(w.packed->format).elements == 0;
  }
}

void packed_dot(ConstMatrixView x, const WeightView& w, bool round_w, MatrixView out) {
  LORRY_CHECK(packed_dot_serves(w) && x.cols == w.cols && x.rows == out.rows && w.rows == out.cols);
  LORRY_CHECK(x.dtype == DType::kF32 && out.dtype == DType::kF32);
  HWY_DYNAMIC_DISPATCH(dot)(x, w, round_w, out);
}

}  // namespace lorry::ops::cpu
#endif  // HWY_ONCE
