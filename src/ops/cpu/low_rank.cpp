#include "ops/cpu/low_rank.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/low_rank.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include <algorithm>
#include <utility>

#include "ops/cpu/parallel.hpp"
#include "ops/cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

// Each kernel keeps a block of at most kRanks x a few vectors of sums in registers (32 with AVX-512). All
// sums run in the same order whatever the block, so blocking never changes a result.
constexpr Index kRanks = 8;
// A projection's block beside its rows: with 16 registers (without AVX-512) a larger one is spilled at every
// step (one thread, BF16 [4096,4096], rank 16: 66 GFLOP/s with 4, 42 with 8).
constexpr Index kProjectedRanks = kLanes >= 16 ? 8 : 4;

/// Calls body(std::integral_constant<Index, n>) with n = count; 1 <= count <= kRanks.
template <class Body>
HWY_INLINE void with_constant(Index count, Body&& body) {
  switch (count) {
    case 1:
      return body(std::integral_constant<Index, 1>());
    case 2:
      return body(std::integral_constant<Index, 2>());
    case 3:
      return body(std::integral_constant<Index, 3>());
    case 4:
      return body(std::integral_constant<Index, 4>());
    case 5:
      return body(std::integral_constant<Index, 5>());
    case 6:
      return body(std::integral_constant<Index, 6>());
    case 7:
      return body(std::integral_constant<Index, 7>());
    default:
      return body(std::integral_constant<Index, 8>());
  }
}

/// h[i, r] = scale * dot(x_i, p_r) for kRows rows and kCols ranks.
template <Index kRows, Index kCols, class T>
HWY_INLINE void project_block(ConstMatrixView x, Index row, ConstMatrixView p, Index rank, float scale,
                              MatrixView h) {
  const T* xs[kRows];
  const float* ps[kCols];
  FloatVec sums[kRows][kCols];
  for (Index i = 0; i < kRows; ++i) {
    xs[i] = x.row<T>(row + i);
    for (Index r = 0; r < kCols; ++r) sums[i][r] = hn::Zero(kFloats);
  }
  for (Index r = 0; r < kCols; ++r) ps[r] = p.row<float>(rank + r);
  const Index full = x.cols / kLanes * kLanes;
  const auto step = [&](auto&& load_x, auto&& load_p) HWY_ATTR {
    FloatVec xv[kRows];
    for (Index i = 0; i < kRows; ++i) xv[i] = load_x(xs[i]);
    for (Index r = 0; r < kCols; ++r) {
      const FloatVec pv = load_p(ps[r]);
      for (Index i = 0; i < kRows; ++i) sums[i][r] = hn::MulAdd(xv[i], pv, sums[i][r]);
    }
  };
  for (Index j = 0; j < full; j += kLanes) {
    const auto at = [j](auto* from) HWY_ATTR { return load(from + j); };
    step(at, at);
  }
  if (full < x.cols) {
    const Index rest = x.cols - full;
    const auto at = [full, rest](auto* from) HWY_ATTR { return load(from + full, rest); };
    step(at, at);
  }
  for (Index i = 0; i < kRows; ++i) {
    float* out = h.row<float>(row + i) + rank;
    for (Index r = 0; r < kCols; ++r) out[r] = scale * sum_of_lanes(sums[i][r]);
  }
}

template <class T>
void project_rows(ConstMatrixView x, ConstMatrixView p, float scale, MatrixView h) {
  constexpr Index kRows = 3;
  for (Index rank = 0; rank < p.rows; rank += kProjectedRanks) {
    with_constant(std::min(kProjectedRanks, p.rows - rank), [&](auto cols) HWY_ATTR {
      Index row = 0;
      for (; row + kRows <= x.rows; row += kRows) {
        project_block<kRows, decltype(cols)::value, T>(x, row, p, rank, scale, h);
      }
      for (; row < x.rows; ++row) project_block<1, decltype(cols)::value, T>(x, row, p, rank, scale, h);
    });
  }
}

void project(ConstMatrixView x, ConstMatrixView p, float scale, MatrixView h) {
  if (x.dtype == DType::kF32) return project_rows<float>(x, p, scale, h);
  project_rows<BF16>(x, p, scale, h);
}

/// Adds h p to kRows rows and kVecs vectors of y; `count` elements of each (kLanes unless kVecs is 1).
template <Index kRows, Index kVecs, class T>
HWY_INLINE void expand_block(ConstMatrixView h, Index row, ConstMatrixView p, MatrixView y, Index col,
                             Index count) {
  FloatVec sums[kRows][kVecs];
  for (Index i = 0; i < kRows; ++i) {
    const T* from = y.row<T>(row + i) + col;
    for (Index v = 0; v < kVecs; ++v) {
      sums[i][v] = load(from + v * kLanes, count);
    }
  }
  const float* hs = h.row<float>(row);
  const float* ps = p.row<float>(0) + col;
  for (Index r = 0; r < p.rows; ++r, ps += p.stride) {
    FloatVec pv[kVecs];
    for (Index v = 0; v < kVecs; ++v) pv[v] = load(ps + v * kLanes, count);
    for (Index i = 0; i < kRows; ++i) {
      const FloatVec hv = splat(hs[i * h.stride + r]);
      for (Index v = 0; v < kVecs; ++v) sums[i][v] = hn::MulAdd(hv, pv[v], sums[i][v]);
    }
  }
  for (Index i = 0; i < kRows; ++i) {
    T* to = y.row<T>(row + i) + col;
    for (Index v = 0; v < kVecs; ++v) store(sums[i][v], to + v * kLanes, count);
  }
}

template <Index kRows, class T>
HWY_INLINE void expand_row_block(ConstMatrixView h, Index row, ConstMatrixView p, MatrixView y) {
  constexpr Index kVecs = 4;
  Index col = 0;
  for (; col + kVecs * kLanes <= y.cols; col += kVecs * kLanes) {
    expand_block<kRows, kVecs, T>(h, row, p, y, col, kLanes);
  }
  for (; col + kLanes <= y.cols; col += kLanes) expand_block<kRows, 1, T>(h, row, p, y, col, kLanes);
  if (col < y.cols) expand_block<kRows, 1, T>(h, row, p, y, col, y.cols - col);
}

template <class T>
void expand_rows(ConstMatrixView h, ConstMatrixView p, MatrixView y) {
  constexpr Index kRows = 4;
  Index row = 0;
  for (; row + kRows <= y.rows; row += kRows) expand_row_block<kRows, T>(h, row, p, y);
  for (; row < y.rows; ++row) expand_row_block<1, T>(h, row, p, y);
}

void expand_add(ConstMatrixView h, ConstMatrixView p, MatrixView y) {
  if (y.dtype == DType::kF32) return expand_rows<float>(h, p, y);
  expand_rows<BF16>(h, p, y);
}

/// Adds h^T x over the rows [first, last) to kCols ranks and kVecs vectors of dp; `count` as in expand_block.
template <Index kCols, Index kVecs, class T>
HWY_INLINE void outer_block(ConstMatrixView h, ConstMatrixView x, Index first, Index last, Index rank,
                            Index col, Index count, MatrixView dp) {
  FloatVec sums[kCols][kVecs];
  for (Index r = 0; r < kCols; ++r) {
    const float* from = dp.row<float>(rank + r) + col;
    for (Index v = 0; v < kVecs; ++v) {
      sums[r][v] = load(from + v * kLanes, count);
    }
  }
  const float* hs = h.row<float>(first) + rank;
  const T* xs = x.row<T>(first) + col;
  for (Index i = first; i < last; ++i, hs += h.stride, xs += x.stride) {
    FloatVec xv[kVecs];
    for (Index v = 0; v < kVecs; ++v) xv[v] = load(xs + v * kLanes, count);
    for (Index r = 0; r < kCols; ++r) {
      const FloatVec hv = splat(hs[r]);
      for (Index v = 0; v < kVecs; ++v) sums[r][v] = hn::MulAdd(hv, xv[v], sums[r][v]);
    }
  }
  for (Index r = 0; r < kCols; ++r) {
    float* to = dp.row<float>(rank + r) + col;
    for (Index v = 0; v < kVecs; ++v) store(sums[r][v], to + v * kLanes, count);
  }
}

template <class T>
void outer_cols(ConstMatrixView h, ConstMatrixView x, MatrixView dp) {
  // Few enough rows that the hardware prefetches each, and that x stays in the first cache for all ranks.
  constexpr Index kRows = 32;
  constexpr Index kVecs = 2;
  for (Index first = 0; first < x.rows; first += kRows) {
    const Index last = std::min(first + kRows, x.rows);
    for (Index rank = 0; rank < dp.rows; rank += kRanks) {
      with_constant(std::min(kRanks, dp.rows - rank), [&](auto cols) HWY_ATTR {
        constexpr Index kCols = decltype(cols)::value;
        Index col = 0;
        for (; col + kVecs * kLanes <= x.cols; col += kVecs * kLanes) {
          outer_block<kCols, kVecs, T>(h, x, first, last, rank, col, kLanes, dp);
        }
        for (; col + kLanes <= x.cols; col += kLanes) {
          outer_block<kCols, 1, T>(h, x, first, last, rank, col, kLanes, dp);
        }
        if (col < x.cols) outer_block<kCols, 1, T>(h, x, first, last, rank, col, x.cols - col, dp);
      });
    }
  }
}

void outer_add(ConstMatrixView h, ConstMatrixView x, MatrixView dp) {
  if (x.dtype == DType::kF32) return outer_cols<float>(h, x, dp);
  outer_cols<BF16>(h, x, dp);
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lorry::ops::cpu {

HWY_EXPORT(project);
HWY_EXPORT(expand_add);
HWY_EXPORT(outer_add);

namespace {
constexpr Index kRowPiece = 24;   // rows of x or y handed to a thread at once
constexpr Index kColPiece = 512;  // columns: p [R, 512] stays in the first two caches for any R <= 64
constexpr Index kMinColPiece = 64;

bool is_activation(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kBF16;
}
}  // namespace

void low_rank_project(ConstMatrixView x, ConstMatrixView p, float scale, MatrixView h) {
  LORRY_CHECK_EQ(x.cols, p.cols);
  LORRY_CHECK_EQ(h.rows, x.rows);
  LORRY_CHECK_EQ(h.cols, p.rows);
  LORRY_CHECK(is_activation(x.dtype) && p.dtype == DType::kF32 && h.dtype == DType::kF32);
  parallel_for(pieces(x.rows, kRowPiece), [&](Index piece) {
    const Index first = piece * kRowPiece;
    const Index count = std::min(kRowPiece, x.rows - first);
    HWY_DYNAMIC_DISPATCH(project)(x.row_range(first, count), p, scale, h.row_range(first, count));
  });
}

void low_rank_expand_add(ConstMatrixView h, ConstMatrixView p, MatrixView y) {
  LORRY_CHECK_EQ(h.rows, y.rows);
  LORRY_CHECK_EQ(h.cols, p.rows);
  LORRY_CHECK_EQ(p.cols, y.cols);
  LORRY_CHECK(is_activation(y.dtype) && p.dtype == DType::kF32 && h.dtype == DType::kF32);
  constexpr Index kRows = 2 * kRowPiece;
  const Index across = pieces(y.cols, kColPiece);
  parallel_for(pieces(y.rows, kRows) * across, [&](Index piece) {
    const Index row = piece / across * kRows;
    const Index rows = std::min(kRows, y.rows - row);
    const Index col = piece % across * kColPiece;
    const Index cols = std::min(kColPiece, y.cols - col);
    HWY_DYNAMIC_DISPATCH(expand_add)
    (h.row_range(row, rows), p.col_range(col, cols), y.row_range(row, rows).col_range(col, cols));
  });
}

void add_terms(std::span<const LowRankTerm> terms, Index row, Index col, MatrixView c) {
  for (const auto& [h, p] : terms) low_rank_expand_add(h.row_range(row, c.rows), p.col_range(col, c.cols), c);
}

void low_rank_outer_add(ConstMatrixView h, ConstMatrixView x, MatrixView dp) {
  LORRY_CHECK_EQ(h.rows, x.rows);
  LORRY_CHECK_EQ(h.cols, dp.rows);
  LORRY_CHECK_EQ(x.cols, dp.cols);
  LORRY_CHECK(is_activation(x.dtype) && h.dtype == DType::kF32 && dp.dtype == DType::kF32);
  const Index size = std::clamp(pieces(x.cols, 4 * kMinColPiece) * kMinColPiece, kMinColPiece, kColPiece);
  parallel_for(pieces(x.cols, size), [&](Index piece) {
    const Index col = piece * size;
    const Index cols = std::min(size, x.cols - col);
    HWY_DYNAMIC_DISPATCH(outer_add)(h, x.col_range(col, cols), dp.col_range(col, cols));
  });
}

}  // namespace lorry::ops::cpu
#endif  // HWY_ONCE
