#include "ops/cpu/integer_dot.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/integer_dot.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "ops/cpu/blocks-inl.hpp"
#include "ops/cpu/byte_chunks-inl.hpp"
#include "ops/cpu/prefetch.hpp"
#include "ops/cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

/// codes = x in units of what is returned; kDotGroup of both.
float round_group(const float* x, std::int8_t* codes) {
  constexpr float kMost = 127.0F;
  constexpr float kLeast = 1e-30F;  // numbers below it are zero: their inverse would be none
  FloatVec top = hn::Zero(kFloats);
  FloatVec faults = hn::Zero(kFloats);  // NaN once an element is not finite
  for (Index i = 0; i < kDotGroup; i += kLanes) {
    top = hn::Max(top, hn::Abs(load(x + i)));
    faults = hn::MulAdd(load(x + i), hn::Zero(kFloats), faults);
  }
  const float largest = hn::GetLane(hn::MaxOfLanes(kFloats, top));
  const bool finite = !std::isnan(sum_of_lanes(faults));
  const FloatVec inverse = splat(finite && largest >= kLeast ? kMost / largest : 0.0F);
  const hn::Rebind<std::int8_t, FloatTag> bytes;
  for (Index i = 0; i < kDotGroup; i += kLanes) {
    const FloatVec scaled = finite ? hn::Mul(load(x + i), inverse) : hn::Zero(kFloats);
    hn::StoreU(hn::DemoteTo(bytes, hn::NearestInt(scaled)), bytes, codes + i);
  }
  if (!finite) return std::numeric_limits<float>::quiet_NaN();
  return largest < kLeast ? 0.0F : largest / kMost;
}

/// Of the rows that `to` has room for.
void round_all(ConstMatrixView x, RoundedRows& to) {
  const Index group = x.cols / to.sums.cols();
  for (Index m = 0; m < x.rows; ++m) {
    auto* const codes = reinterpret_cast<std::int8_t*>(to.codes.row<std::uint8_t>(m));
    float* const scales = to.scales.row<float>(m);
    for (Index i = 0; i < x.cols; i += kDotGroup)
      std::fill_n(scales + i / group, kDotGroup / group, round_group(x.row<float>(m) + i, codes + i));
    float* const sums = to.sums.row<float>(m);
    for (Index i = 0; i < x.cols; i += group) {
      FloatVec sum = hn::Zero(kFloats);
      for (Index k = i; k < i + group; k += kLanes) sum = hn::Add(sum, load_codes(codes + k));
      sums[i / group] = scales[i / group] * sum_of_lanes(sum);
    }
  }
}

// Rows of w by format: read(block, parts) gives the scales and offsets of a block, each(block, parts, use)
// calls use(its number, chunk) for its chunks in order.

template <BlockFormat kFormat>
struct GgufRow {
  static constexpr Index kElements = elements_of(kFormat);
  static constexpr BlockGroups kGroups = groups_of(kFormat);
  static constexpr bool kSigned = !kGroups.offsets;  // codes that have offsets need no sign
  const std::uint8_t* blocks;
  Index bytes;  // of a block

  HWY_INLINE void read(Index block, BlockCodes& parts) const {
    const std::uint8_t* const from = blocks + block * bytes;
    prefetch_ahead(from, kElements / 2);
    read_scales<kFormat>(from, parts);
  }
  template <class Use>
  HWY_INLINE void each(Index block, BlockCodes& parts, Use&& use) const {
    each_chunk<kFormat>(blocks + block * bytes, parts, use);
  }
  [[nodiscard]] float scale() const { return 1.0F; }
};

struct Int8Row {
  static constexpr Index kElements = kDotGroup;
  static constexpr BlockGroups kGroups = {};
  static constexpr bool kSigned = true;
  const std::int8_t* codes;
  float absmax;

  HWY_INLINE void read(Index block, BlockCodes& parts) const {
    prefetch_ahead(codes + block * kElements, kElements);
    parts.scale[0] = 1.0F;
  }
  template <class Use>
  HWY_INLINE void each(Index block, BlockCodes& /*parts*/, Use&& use) const {
    use(Index{0}, load_chunk(codes + block * kElements));
  }
  [[nodiscard]] float scale() const { return absmax / 127.0F; }
};

/// A row of x.
struct RoundedRow {
  const std::int8_t* codes;
  const float* scales;
  const float* sums;
};

/// to = a b, element by element.
template <Index kCount>
HWY_INLINE void multiply_all(const float* a, const float* b, float* to) {
  constexpr Index kStep = std::min(kCount, kChunkWidth);
  const hn::CappedTag<float, kStep> floats;
  for (Index i = 0; i < kCount; i += kStep)
    hn::StoreU(hn::Mul(hn::LoadU(floats, a + i), hn::LoadU(floats, b + i)), floats, to + i);
}

/// out[m * stride] = dot(xs[m], row) for kRows rows of x.
template <Index kRows, class Row>
HWY_INLINE void dot_row(const std::array<RoundedRow, kRows>& xs, Index blocks, const Row& row, float* out,
                        Index stride) {
  constexpr BlockGroups kGroups = Row::kGroups;
  constexpr Index kCount = Row::kElements / kGroups.group;  // of groups
  ChunkSums sums[kRows];
  float rest[kRows] = {};
  for (Index m = 0; m < kRows; ++m) sums[m] = hn::Zero(kChunkLanes);
  alignas(64) BlockCodes parts;
  alignas(64) float factors[kRows][kCount];
  for (Index block = 0; block < blocks; ++block) {
    row.read(block, parts);
    for (Index m = 0; m < kRows; ++m)
      multiply_all<kCount>(parts.scale, xs[static_cast<std::size_t>(m)].scales + block * kCount, factors[m]);
    // Factors are read from memory then, where the compiler would shuffle them out of registers at twice the
    // price.
    asm volatile("" : : "r"(factors) : "memory");
    row.each(block, parts, [&](Index i, auto chunk) HWY_ATTR {
      for (Index m = 0; m < kRows; ++m) {
        sums[m] = add_chunk<kGroups.group, Row::kSigned>(
            chunk, xs[static_cast<std::size_t>(m)].codes + block * Row::kElements + i * kChunk,
            factors[m] + i * (kChunk / kGroups.group), sums[m]);
      }
    });
    if constexpr (kGroups.offsets) {
      for (Index m = 0; m < kRows; ++m) {
        const float* const of_x = xs[static_cast<std::size_t>(m)].sums + block * kCount;
        if constexpr (kCount % kChunkWidth == 0) {
          for (Index g = 0; g < kCount; g += kChunkWidth)
            sums[m] = hn::MulAdd(hn::LoadU(kChunkLanes, parts.offset + g), hn::LoadU(kChunkLanes, of_x + g),
                                 sums[m]);
        } else {
          rest[m] += parts.offset[0] * of_x[0];
        }
      }
    }
  }
  for (Index m = 0; m < kRows; ++m) {
    const float sum = hn::GetLane(hn::SumOfLanes(kChunkLanes, sums[m]));
    out[m * stride] = (sum + rest[m]) * row.scale();
  }
}

/// row_at(o): the blocks of row o of w.
template <class RowAt>
void dot_rows(const RoundedRows& x, const WeightView& w, MatrixView out, RowAt&& row_at) {
  using Row = decltype(row_at(Index{0}));
  const Index blocks = w.cols / Row::kElements;
  const auto dot = [&]<Index kRows>(Index m, Index o, const Row& row) HWY_ATTR {
    std::array<RoundedRow, kRows> xs;
    for (Index i = 0; i < kRows; ++i) {
      xs[static_cast<std::size_t>(i)] = {
          reinterpret_cast<const std::int8_t*>(x.codes.row<std::uint8_t>(m + i)), x.scales.row<float>(m + i),
          x.sums.row<float>(m + i)};
    }
    dot_row<kRows>(xs, blocks, row, out.row<float>(m) + o, out.stride);
  };
  for (Index o = 0; o < w.rows; ++o) {
    const Row row = row_at(w.packed->stored_row(w.first_row + o));
    Index m = 0;
    for (; m + 4 <= out.rows; m += 4) dot.template operator()<4>(m, o, row);
    for (; m + 2 <= out.rows; m += 2) dot.template operator()<2>(m, o, row);
    if (m < out.rows) dot.template operator()<1>(m, o, row);
  }
}

void dot(const RoundedRows& x, const WeightView& w, MatrixView out) {
  const PackedMatrix& matrix = *w.packed;
  const std::uint8_t* const bytes = bytes_of(matrix);
  if (matrix.format == BlockFormat::kInt8) {
    const float* const absmax = std::get<RowScales>(matrix.scales).absmax;
    return dot_rows(x, w, out, [&](Index row) HWY_ATTR {
      return Int8Row{reinterpret_cast<const std::int8_t*>(bytes) + row * matrix.cols, absmax[row]};
    });
  }
  with_block_format(matrix.format, [&]<BlockFormat kFormat>() HWY_ATTR {
    const Index block_bytes = facts_of(kFormat).bytes;
    const Index row_bytes = matrix.cols / elements_of(kFormat) * block_bytes;
    dot_rows(x, w, out, [&](Index row) HWY_ATTR {
      return GgufRow<kFormat>{bytes + row * row_bytes, block_bytes};
    });
  });
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lorry::ops::cpu {

HWY_EXPORT(round_all);
HWY_EXPORT(dot);

bool integer_dot_serves(const WeightView& w) {
  if (!w.is_packed() || w.first_col != 0 || w.cols != w.packed->cols) return false;
  switch (w.packed->format) {
    case BlockFormat::kF32:
    case BlockFormat::kF16:
    case BlockFormat::kBF16:
    case BlockFormat::kNf4:
      return false;
    case BlockFormat::kInt8:
      return w.cols % kDotGroup == 0;
    default:
      return w.cols % facts_of(w.packed->format).elements == 0;
  }
}

RoundedRows round_rows(ConstMatrixView x, const WeightView& w) {
  LORRY_CHECK(integer_dot_serves(w) && x.cols == w.cols && x.dtype == DType::kF32);
  const Index groups = x.cols / groups_of(w.packed->format).group;
  RoundedRows rounded = {Matrix(x.rows, x.cols, DType::kU8), Matrix(x.rows, groups), Matrix(x.rows, groups)};
  HWY_DYNAMIC_DISPATCH(round_all)(x, rounded);
  return rounded;
}

void integer_dot(const RoundedRows& x, const WeightView& w, MatrixView out) {
  LORRY_CHECK(integer_dot_serves(w) && x.codes.cols() == w.cols && x.codes.rows() == out.rows);
  LORRY_CHECK(w.rows == out.cols && out.dtype == DType::kF32);
  HWY_DYNAMIC_DISPATCH(dot)(x, w, out);
}

}  // namespace lorry::ops::cpu
#endif  // HWY_ONCE
