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
#include "ops/cpu/prefetch.hpp"
#include "ops/cpu/simd-inl.hpp"
#include "ops/cpu/unpack.hpp"

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

// Rows of blocks by format: each(block, use) calls use(chain, vector, its numbers) for the vectors of a block
// in order, v % kChains being the chain; numbers are rounded to BF16 if kRound.

template <BlockFormat kFormat, bool kRound>
struct GgufRow {
  static constexpr Index kElements = elements_of(kFormat);
  const std::uint8_t* blocks;
  Index bytes;  // of a block

  template <class Use>
  HWY_INLINE void each(Index block, Use&& use) const {
    const std::uint8_t* const from = blocks + block * bytes;
    prefetch_ahead(from, kElements / 2);
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
      constexpr Index kRun = std::min(kChains, kElements / kLanes);
      for (Index v = 0; v < kElements / kLanes; v += kRun) {
#pragma GCC unroll 4
        for (Index c = 0; c < kRun; ++c) take(c, v + c, load_codes(parts.code + (v + c) * kLanes));
      }
    }
  }
};

template <bool kRound>
struct Nf4Row {
  static constexpr Index kElements = 64;
  const std::uint8_t* codes;
  const Nf4Table& table;
  const Nf4Scales& scales;
  Index first;  // its first block's number in the matrix

  template <class Use>
  HWY_INLINE void each(Index block, Use&& use) const {
    constexpr Index kBytes = 32;
    prefetch_ahead(codes + block * kBytes, kBytes);
    each_of_nf4<kRound>(codes + block * kBytes, table, scales.absmax_of(first + block),
                        [&](Index v, FloatVec number) HWY_ATTR { use(v % kChains, v, number); });
  }
};

template <bool kRound>
struct Int8Row {
  static constexpr Index kElements = 32;  // at a time
  const std::int8_t* codes;
  float absmax;

  template <class Use>
  HWY_INLINE void each(Index block, Use&& use) const {
    prefetch_ahead(codes + block * kElements, kElements);
    const FloatVec factor = splat(absmax);
    const FloatVec one = splat(1.0F / 127.0F);  // as unpacking has it
    constexpr Index kRun = std::min(kChains, kElements / kLanes);
    for (Index v = 0; v < kElements / kLanes; v += kRun) {
#pragma GCC unroll 4
      for (Index c = 0; c < kRun; ++c) {
        const FloatVec code = load_codes(codes + block * kElements + (v + c) * kLanes);
        use(c, v + c, rounded<kRound>(hn::Mul(hn::Mul(code, factor), one)));
      }
    }
  }
};

/// out[m * stride] = dot(xs[m], row) for kRows rows of x.
template <Index kRows, class Row>
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
      row.each(block + i, [&](Index chain, Index v, FloatVec number)
                              HWY_ATTR { add(block + i, (i * kVectors + chain) % kChains, v, number); });
    }
  }
  if constexpr (kTurn > 1) {
    for (; block < blocks; ++block)
      row.each(block, [&](Index /*chain*/, Index v, FloatVec number) HWY_ATTR { add(block, 0, v, number); });
  }
  for (Index m = 0; m < kRows; ++m) {
    const FloatVec sum = hn::Add(hn::Add(sums[m][0], sums[m][1]), hn::Add(sums[m][2], sums[m][3]));
    out[m * stride] = sum_of_lanes(sum);
  }
}

/// row_at(o): the blocks of row o of w.
template <class RowAt>
void dot_rows(ConstMatrixView x, const WeightView& w, MatrixView out, RowAt&& row_at) {
  using Row = decltype(row_at(Index{0}));
  const Index blocks = w.cols / Row::kElements;
  const auto dot = [&]<Index kRows>(Index m, Index o, const Row& row) HWY_ATTR {
    std::array<const float*, kRows> xs;
    for (Index i = 0; i < kRows; ++i) xs[static_cast<std::size_t>(i)] = x.row<float>(m + i);
    dot_row<kRows>(xs, blocks, row, out.row<float>(m) + o, out.stride);
  };
  for (Index o = 0; o < w.rows; ++o) {
    const Row row = row_at(w.packed->stored_row(w.first_row + o));
    Index m = 0;
    for (; m + kMostRows <= x.rows; m += kMostRows) dot.template operator()<kMostRows>(m, o, row);
    if (kMostRows > 2 && m + 2 <= x.rows) {
      dot.template operator()<2>(m, o, row);
      m += 2;
    }
    if (m < x.rows) dot.template operator()<1>(m, o, row);
  }
}

template <bool kRound>
void dot_packed(ConstMatrixView x, const WeightView& w, MatrixView out) {
  const PackedMatrix& matrix = *w.packed;
  const std::uint8_t* const bytes = bytes_of(matrix);
  if (matrix.format == BlockFormat::kNf4) {
    const auto& scales = std::get<Nf4Scales>(matrix.scales);
    const Nf4Table table(scales.map);
    const Index blocks = matrix.cols / Nf4Row<kRound>::kElements;
    return dot_rows(x, w, out, [&](Index row) HWY_ATTR {
      return Nf4Row<kRound>{bytes + row * matrix.cols / 2, table, scales, row * blocks};
    });
  }
  if (matrix.format == BlockFormat::kInt8) {
    const float* const absmax = std::get<RowScales>(matrix.scales).absmax;
    return dot_rows(x, w, out, [&](Index row) HWY_ATTR {
      return Int8Row<kRound>{reinterpret_cast<const std::int8_t*>(bytes) + row * matrix.cols, absmax[row]};
    });
  }
  with_block_format(matrix.format, [&]<BlockFormat kFormat>() HWY_ATTR {
    const Index block_bytes = facts_of(kFormat).bytes;
    const Index row_bytes = matrix.cols / elements_of(kFormat) * block_bytes;
    dot_rows(x, w, out, [&](Index row) HWY_ATTR {
      return GgufRow<kFormat, kRound>{bytes + row * row_bytes, block_bytes};
    });
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
