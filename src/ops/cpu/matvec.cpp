#include "ops/cpu/matvec.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/matvec.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include <omp.h>

#include <algorithm>
#include <array>

#include "ops/cpu/elementwise.hpp"
#include "ops/cpu/packed_dot.hpp"
#include "ops/cpu/parallel.hpp"
#include "ops/cpu/simd-inl.hpp"
#include "ops/cpu/unpack.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

/// Elements of a weight as the product sees them: kRound for an F32 or F16 weight in a BF16 product.
template <bool kRound, class T>
HWY_INLINE FloatVec load_weight(const T* from, Index count = kLanes) {
  const FloatVec w = load(from, count);
  return kRound ? round_to_bf16(w) : w;
}

/// out[m, o] = dot(x_m, w_o) for the rows w_o of w. x, out: F32.
template <Index kRows, bool kRound, class T>
void dot_rows(ConstMatrixView x, ConstMatrixView w, MatrixView out) {
  // Four chains of sums hide the latency of the multiply-adds; their number fixes the order of the sum, so it
  // is the same for every kRows.
  constexpr Index kChains = 4;
  std::array<const float*, kRows> xs;
  for (Index m = 0; m < kRows; ++m) xs[static_cast<std::size_t>(m)] = x.row<float>(m);
  for (Index o = 0; o < w.rows; ++o) {
    const T* ws = w.row<T>(o);
    FloatVec sums[kRows][kChains];
    for (Index m = 0; m < kRows; ++m) {
      for (Index c = 0; c < kChains; ++c) sums[m][c] = hn::Zero(kFloats);
    }
    Index i = 0;
    for (; i + kChains * kLanes <= w.cols; i += kChains * kLanes) {
      for (Index c = 0; c < kChains; ++c) {
        const FloatVec wv = load_weight<kRound>(ws + i + c * kLanes);
        for (Index m = 0; m < kRows; ++m) {
          sums[m][c] = hn::MulAdd(wv, load(xs[static_cast<std::size_t>(m)] + i + c * kLanes), sums[m][c]);
        }
      }
    }
    for (; i < w.cols; i += kLanes) {
      const Index count = std::min(kLanes, w.cols - i);
      const FloatVec wv = load_weight<kRound>(ws + i, count);
      for (Index m = 0; m < kRows; ++m) {
        sums[m][0] = hn::MulAdd(wv, load(xs[static_cast<std::size_t>(m)] + i, count), sums[m][0]);
      }
    }
    for (Index m = 0; m < kRows; ++m) {
      const FloatVec sum = hn::Add(hn::Add(sums[m][0], sums[m][1]), hn::Add(sums[m][2], sums[m][3]));
      out.row<float>(m)[o] = sum_of_lanes(sum);
    }
  }
}

/// Adds x[., i] w[i, .] for kSteps rows i to out [kRows, O] F32, in the order of i.
template <Index kRows, Index kSteps, bool kRound, class T>
HWY_INLINE void add_rows(ConstMatrixView x, ConstMatrixView w, Index i, MatrixView out) {
  FloatVec xv[kRows][kSteps];
  for (Index m = 0; m < kRows; ++m) {
    for (Index s = 0; s < kSteps; ++s) xv[m][s] = splat(x.row<float>(m)[i + s]);
  }
  const T* ws = w.row<T>(i);
  float* to = out.row<float>(0);
  for_each_vector(w.cols, [&](Index o, Index count) HWY_ATTR {
    FloatVec wv[kSteps];
    for (Index s = 0; s < kSteps; ++s) wv[s] = load_weight<kRound>(ws + s * w.stride + o, count);
    for (Index m = 0; m < kRows; ++m) {
      float* at = to + m * out.stride + o;
      FloatVec sum = load(at, count);
      for (Index s = 0; s < kSteps; ++s) sum = hn::MulAdd(wv[s], xv[m][s], sum);
      store(sum, at, count);
    }
  });
}

/// Adds x w over all rows of w to out [kRows, O]. x, out: F32.
template <Index kRows, bool kRound, class T>
void sum_rows(ConstMatrixView x, ConstMatrixView w, MatrixView out) {
  constexpr Index kSteps = kRows <= 2 ? 8 : 4;  // as many as registers hold
  Index i = 0;
  for (; i + kSteps <= w.rows; i += kSteps) add_rows<kRows, kSteps, kRound, T>(x, w, i, out);
  for (; i < w.rows; ++i) add_rows<kRows, 1, kRound, T>(x, w, i, out);
}

template <Index kRows, bool kRound, class T>
void multiply_rows(ConstMatrixView x, ConstMatrixView w, bool transpose_w, MatrixView out) {
  if (transpose_w) return dot_rows<kRows, kRound, T>(x, w, out);
  sum_rows<kRows, kRound, T>(x, w, out);
}

template <bool kRound, class T>
void multiply_typed(ConstMatrixView x, ConstMatrixView w, bool transpose_w, MatrixView out) {
  switch (x.rows) {
    case 1:
      return multiply_rows<1, kRound, T>(x, w, transpose_w, out);
    case 2:
      return multiply_rows<2, kRound, T>(x, w, transpose_w, out);
    case 3:
      return multiply_rows<3, kRound, T>(x, w, transpose_w, out);
    default:
      return multiply_rows<4, kRound, T>(x, w, transpose_w, out);
  }
}

/// out = x op(w), or out += x w if w is not transposed; x, out: F32. round_w: to BF16.
void multiply(ConstMatrixView x, ConstMatrixView w, bool transpose_w, bool round_w, MatrixView out) {
  if (w.dtype == DType::kBF16) return multiply_typed<false, BF16>(x, w, transpose_w, out);
  if (w.dtype == DType::kF16) {
    if (round_w) return multiply_typed<true, F16>(x, w, transpose_w, out);
    return multiply_typed<false, F16>(x, w, transpose_w, out);
  }
  if (round_w) return multiply_typed<true, float>(x, w, transpose_w, out);
  multiply_typed<false, float>(x, w, transpose_w, out);
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lorry::ops::cpu {

HWY_EXPORT(multiply);

namespace {

constexpr Index kColPiece = 512;  // columns of w [I,O] handed to a thread at once
constexpr Index kRowPiece = 64;   // rows of w [O,I]
constexpr Index kTileBytes = Index{64}
                             << 10;  // of packed weights unpacked at a time: stays in a core's cache

/// Rows of a packed w with so many columns that are unpacked at a time.
Index tile_rows(Index cols, DType dtype) {
  return std::max<Index>(1, kTileBytes / std::max<Index>(1, cols * size_of(dtype)));
}

/// out = x op(w) for a part of w that gives out's columns; out starts at zero. room: for a tile.
void multiply_part(ConstMatrixView x, WeightView w, bool transpose_w, bool round_w, MatrixView out,
                   MatrixView room) {
  if (!w.is_packed()) return HWY_DYNAMIC_DISPATCH(multiply)(x, w.dense, transpose_w, round_w, out);
  if (transpose_w && packed_dot_serves(w)) return packed_dot(x, w, round_w, out);
  const DType dtype = round_w ? DType::kBF16 : DType::kF32;
  const Index rows = tile_rows(w.cols, dtype);
  for (Index first = 0; first < w.rows; first += rows) {
    const Index count = std::min(rows, w.rows - first);
    const MatrixView tile = {room.data, count, w.cols, w.cols, dtype};
    unpack_serial(w.row_range(first, count), tile);
    if (transpose_w) {
      HWY_DYNAMIC_DISPATCH(multiply)(x, tile, true, false, out.col_range(first, count));
    } else {
      HWY_DYNAMIC_DISPATCH(multiply)(x.col_range(first, count), tile, false, false, out);
    }
  }
}

}  // namespace

void matvec(ConstMatrixView x, WeightView w, bool transpose_w, bool accumulate, MatrixView y) {
  LORRY_CHECK(x.rows >= 1 && x.rows <= kMatvecRows);
  // Few enough outputs that the sums of a piece stay in the first cache, enough that a row of w [I,O] is read
  // in runs the hardware prefetches.
  const Index outputs = transpose_w ? w.rows : w.cols;
  const Index piece_size = transpose_w ? kRowPiece : kColPiece;
  const bool round_w = x.dtype == DType::kBF16;
  Matrix x32(x.rows, x.cols);
  copy(x, x32);
  const Index tile_cols = transpose_w ? w.cols : std::min(kColPiece, w.cols);
  const bool tiled = w.is_packed() && !(transpose_w && packed_dot_serves(w));
  Matrix tiles(omp_get_max_threads(), tiled ? std::max(kTileBytes, tile_cols * size_of(DType::kF32)) : 0,
               DType::kU8);
  parallel_for(pieces(outputs, piece_size), [&](Index piece) {
    alignas(64) std::array<float, kMatvecRows * kColPiece> sums;
    const Index first = piece * piece_size;
    const Index count = std::min(piece_size, outputs - first);
    std::fill_n(sums.begin(), x.rows * count, 0.0F);
    const WeightView part = transpose_w ? w.row_range(first, count) : w.col_range(first, count);
    const MatrixView out = {reinterpret_cast<std::byte*>(sums.data()), x.rows, count, count, DType::kF32};
    multiply_part(x32.view(), part, transpose_w, round_w, out,
                  tiles.view().row_range(omp_get_thread_num(), 1));
    const MatrixView to = y.col_range(first, count);
    if (accumulate) {
      add_serial(out, 1.0F, to);
    } else {
      copy_serial(out, to);
    }
  });
}

}  // namespace lorry::ops::cpu
#endif  // HWY_ONCE
