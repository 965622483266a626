#include "ops/cpu/integer_dot.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/integer_dot.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include <algorithm>
#include <array>

#include "ops/cpu/byte_chunks-inl.hpp"
#include "ops/cpu/elementwise.hpp"
#include "ops/cpu/packed_dot.hpp"
#include "ops/cpu/packed_rows-inl.hpp"
#include "ops/cpu/parallel.hpp"
#include "ops/cpu/rounding-inl.hpp"

#ifndef LORRY_OPS_CPU_INTEGER_DOT
#define LORRY_OPS_CPU_INTEGER_DOT
namespace lorry::ops::cpu {
namespace {

/// Rows of x in 8 bits: x[i] ~ scale * code. kChunk elements are rounded together; scales are listed for
/// every `group` elements, as many as share a scale of w.
struct RoundedRows {
  Matrix codes;   // [M,I] U8 that are signed: -127 to 127
  Matrix scales;  // [M, I / group] F32; NaN where an element is not finite
  Matrix sums;    // [M, I / group] F32: of rounded elements, for the offsets of w; empty where it has none
};

/// A row of them.
struct RoundedRow {
  const std::int8_t* codes;
  const float* scales;
  const float* sums;
};

}  // namespace
}  // namespace lorry::ops::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

/// A row of x [cols], of whose elements `group` share a scale of w. sums: null where nobody asks.
template <class T>
void round_row(const T* x, Index cols, Index group, std::int8_t* codes, float* scales, float* sums) {
  const hn::Rebind<std::int8_t, FloatTag> bytes;
  for (Index i = 0; i < cols; i += kChunk) {
    RoundingUnit look;
    for (Index k = i; k < i + kChunk; k += kLanes) look.look_at(load(x + k));
    const auto unit = look.of(127.0F);
    for (Index k = i; k < i + kChunk; k += kLanes) {
      const FloatVec scaled =
          unit.inverse == 0 ? hn::Zero(kFloats) : hn::Mul(load(x + k), splat(unit.inverse));
      hn::StoreU(hn::DemoteTo(bytes, hn::NearestInt(scaled)), bytes, codes + k);
    }
    std::fill_n(scales + i / group, kChunk / group, unit.size);
    for (Index first = i; sums != nullptr && first < i + kChunk; first += group) {
      FloatVec sum = hn::Zero(kFloats);
      for (Index k = first; k < first + group; k += kLanes) sum = hn::Add(sum, load_codes(codes + k));
      sums[first / group] = unit.size * sum_of_lanes(sum);
    }
  }
}

void round_all(ConstMatrixView x, Index group, RoundedRows& to) {
  with_type(x.dtype, [&]<class T>(T /*tag*/) HWY_ATTR {
    for (Index m = 0; m < x.rows; ++m) {
      round_row(x.row<T>(m), x.cols, group, reinterpret_cast<std::int8_t*>(to.codes.row<std::uint8_t>(m)),
                to.scales.row<float>(m), to.sums.empty() ? nullptr : to.sums.row<float>(m));
    }
  });
}

// What the loop below asks of a kind of row: how elements share scales, whether codes may be negative; the
// scales and offsets of a block; its chunks in order, by use(number, chunk); what the sum is multiplied with.

template <BlockFormat kFormat>
struct GgufCodes {
  static constexpr Index kElements = elements_of(kFormat);
  static constexpr BlockGroups kGroups = groups_of(kFormat);
  static constexpr bool kSigned = !kGroups.offsets;  // codes that have offsets need no sign
  const GgufBlocks<kFormat>& row;

  HWY_INLINE const std::uint8_t* read(Index block, BlockCodes& parts) const {
    const std::uint8_t* const from = row.at(block);
    read_scales<kFormat, false>(from, parts);
    return from;
  }
  template <class Use>
  HWY_INLINE void each(const std::uint8_t* block, BlockCodes& parts, Use&& use) const {
    each_chunk<kFormat>(block, parts, use);
  }
  [[nodiscard]] float scale() const { return 1.0F; }
};

struct Int8Codes {
  static constexpr Index kElements = Int8Blocks::kElements;
  static constexpr BlockGroups kGroups = {.group = kElements};
  static constexpr bool kSigned = true;
  const Int8Blocks& row;

  HWY_INLINE const std::int8_t* read(Index block, BlockCodes& parts) const {
    parts.scale[0] = 1.0F;
    return row.at(block);
  }
  template <class Use>
  HWY_INLINE void each(const std::int8_t* block, BlockCodes& /*parts*/, Use&& use) const {
    use(Index{0}, load_chunk(block));
  }
  [[nodiscard]] float scale() const { return row.absmax / 127.0F; }
};

template <BlockFormat kFormat>
GgufCodes<kFormat> codes_of(const GgufBlocks<kFormat>& row) {
  return {row};
}
Int8Codes codes_of(const Int8Blocks& row) {
  return {row};
}

/// to = a b, element by element.
template <Index kCount>
HWY_INLINE void multiply_all(const float* a, const float* b, float* to) {
  constexpr Index kStep = std::min(kCount, kChunkWidth);
  const hn::CappedTag<float, kStep> floats;
  for (Index i = 0; i < kCount; i += kStep)
    hn::StoreU(hn::Mul(hn::LoadU(floats, a + i), hn::LoadU(floats, b + i)), floats, to + i);
}

/// out[m * stride] = dot(xs[m], row) for kRows rows of x.
template <Index kRows, class Codes>
HWY_INLINE void dot_row(const std::array<RoundedRow, kRows>& xs, Index blocks, const Codes& row, float* out,
                        Index stride) {
  constexpr BlockGroups kGroups = Codes::kGroups;
  constexpr Index kCount = Codes::kElements / kGroups.group;  // of groups
  // A chain of sums waits for the latency of its multiply-adds, so chunks of a block go to two in turns.
  constexpr Index kChains = Codes::kElements / kChunk % 2 == 0 ? 2 : 1;
  ChunkSums sums[kRows][kChains];
  float rest[kRows] = {};
  for (Index m = 0; m < kRows; ++m) {
    for (Index c = 0; c < kChains; ++c) sums[m][c] = hn::Zero(kChunkLanes);
  }
  alignas(64) BlockCodes parts;
  alignas(64) float factors[kRows][kCount];
  for (Index block = 0; block < blocks; ++block) {
    const auto* const from = row.read(block, parts);
    for (Index m = 0; m < kRows; ++m)
      multiply_all<kCount>(parts.scale, xs[static_cast<std::size_t>(m)].scales + block * kCount, factors[m]);
    // Factors are read from memory then, where the compiler would shuffle them out of registers at twice the
    // price.
    asm volatile("" : : "r"(factors) : "memory");
    row.each(from, parts, [&](Index i, auto chunk) HWY_ATTR {
      for (Index m = 0; m < kRows; ++m) {
        ChunkSums& sum = sums[m][i % kChains];
        sum = add_chunk<kGroups.group, Codes::kSigned>(
            chunk, xs[static_cast<std::size_t>(m)].codes + block * Codes::kElements + i * kChunk,
            factors[m] + i * (kChunk / kGroups.group), sum);
      }
    });
    if constexpr (kGroups.offsets) {
      for (Index m = 0; m < kRows; ++m) {
        const float* const of_x = xs[static_cast<std::size_t>(m)].sums + block * kCount;
        if constexpr (kCount % kChunkWidth == 0) {
          for (Index g = 0; g < kCount; g += kChunkWidth)
            sums[m][0] = hn::MulAdd(hn::LoadU(kChunkLanes, parts.offset + g),
                                    hn::LoadU(kChunkLanes, of_x + g), sums[m][0]);
        } else {
          rest[m] += parts.offset[0] * of_x[0];
        }
      }
    }
  }
  for (Index m = 0; m < kRows; ++m) {
    for (Index c = 1; c < kChains; ++c) sums[m][0] = hn::Add(sums[m][0], sums[m][c]);
    const float sum = hn::GetLane(hn::SumOfLanes(kChunkLanes, sums[m][0]));
    out[m * stride] = (sum + rest[m]) * row.scale();
  }
}

/// out [count, O] = the rows of x from `first` on times w^T.
void dot(const RoundedRows& x, Index first, const WeightView& w, MatrixView out) {
  with_rows(*w.packed, [&](auto row_of) HWY_ATTR {
    for_each_dot<4>(out.rows, w, row_of, [&]<Index kRows>(Index m, Index o, const auto& row) HWY_ATTR {
      const auto codes = codes_of(row);
      std::array<RoundedRow, kRows> xs;
      for (Index i = 0; i < kRows; ++i) {
        const Index at = first + m + i;
        xs[static_cast<std::size_t>(i)] = {
            reinterpret_cast<const std::int8_t*>(x.codes.row<std::uint8_t>(at)), x.scales.row<float>(at),
            x.sums.empty() ? nullptr : x.sums.row<float>(at)};
      }
      dot_row<kRows>(xs, w.cols / codes.kElements, codes, out.row<float>(m) + o, out.stride);
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

namespace {

/// x [M,I] for products with w.
RoundedRows round_rows(ConstMatrixView x, const WeightView& w) {
  const BlockGroups groups = groups_of(w.packed->format);
  const Index count = x.cols / groups.group;
  RoundedRows to = {Matrix(x.rows, x.cols, DType::kU8), Matrix(x.rows, count),
                    groups.offsets ? Matrix(x.rows, count) : Matrix()};
  HWY_DYNAMIC_DISPATCH(round_all)(x, groups.group, to);
  return to;
}

}  // namespace

bool integer_dot_serves(const WeightView& w) {
  return packed_dot_serves(w) && w.packed->format != BlockFormat::kNf4;
}

void integer_dot(ConstMatrixView x, WeightView w, bool accumulate, MatrixView y) {
  constexpr Index kPiece = 64;  // rows of w handed to a thread at once: they stay in its cache
  constexpr Index kMost = 32;   // rows of x meanwhile
  LORRY_CHECK(integer_dot_serves(w));
  LORRY_CHECK_EQ(x.cols, w.cols);
  LORRY_CHECK_EQ(x.rows, y.rows);
  LORRY_CHECK_EQ(w.rows, y.cols);
  const RoundedRows rounded = round_rows(x, w);
  parallel_for(pieces(w.rows, kPiece), [&](Index piece) {
    alignas(64) std::array<float, kMost * kPiece> sums;
    const Index first = piece * kPiece;
    const Index count = std::min(kPiece, w.rows - first);
    for (Index m = 0; m < x.rows; m += kMost) {
      const Index rows = std::min(kMost, x.rows - m);
      const MatrixView out = {reinterpret_cast<std::byte*>(sums.data()), rows, count, count, DType::kF32};
      HWY_DYNAMIC_DISPATCH(dot)(rounded, m, w.row_range(first, count), out);
      const MatrixView to = y.row_range(m, rows).col_range(first, count);
      accumulate ? add_serial(out, 1.0F, to) : copy_serial(out, to);
    }
  });
}

}  // namespace lorry::ops::cpu
#endif  // HWY_ONCE
