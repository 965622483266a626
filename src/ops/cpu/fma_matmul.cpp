#include "ops/cpu/fma_matmul.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/fma_matmul.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>
#include <omp.h>

#include <algorithm>

#include "ops/cpu/elementwise.hpp"
#include "ops/cpu/panel_product.hpp"
#include "ops/cpu/small_gemm-inl.hpp"
#include "ops/cpu/unpack.hpp"

#ifndef LORRY_OPS_CPU_FMA_MATMUL
#define LORRY_OPS_CPU_FMA_MATMUL
namespace lorry::ops::cpu {
namespace {

/// What all threads know of a product.
struct Product : PanelProduct {
  bool round_weights = false;
  std::span<const LowRankTerm> plus;
  Index first_row = 0;        // of c in the h of plus
  float* laid_out = nullptr;  // [stretches of K, strips of a] strips
};

/// Asks for one of `shares` of a strip that comes next, while something else is computed.
void prefetch_share(const float* strip, Index floats, Index share, Index shares) {
  constexpr Index kLine = 16;
  constexpr int kSecondLevel = 2;
  const Index lines = pieces(floats / kLine, shares);
  for (Index i = share * lines; i < (share + 1) * lines; ++i)
    __builtin_prefetch(strip + i * kLine, 0, kSecondLevel);
}

/// `part` of the weights in float32.
void fetch(const Product& product, WeightView part, FmaMatmul::Own& own, MatrixView to) {
  if (product.round_weights && !part.is(DType::kBF16)) {
    const MatrixView rounded = own.rounded.view(part.rows, part.cols, DType::kBF16);
    part.is_packed() ? unpack_serial(part, rounded) : copy_serial(part.dense, rounded);
    return copy_serial(rounded, to);
  }
  part.is_packed() ? unpack_serial(part, to) : copy_serial(part.dense, to);
}

}  // namespace
}  // namespace lorry::ops::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

constexpr Index kWidth = kTileVectors * kLanes;  // of a strip of vectors
static_assert(kWidth <= kWidestStrip);

/// Rows of a side by side: kWidth where they are vectors, kTileRows where they are read one by one.
Index strip_rows(MatmulOptions options) {
  return options.transpose_b ? kWidth : kTileRows;
}

Index strips_of(const Product& product) {
  return pieces(product.c.rows, strip_rows(product.options));
}

HWY_INLINE float number(const float* at) {
  return *at;
}
HWY_INLINE float number(const BF16* at) {
  return to_float(*at);
}
HWY_INLINE float number(const F16* at) {
  return to_float(*at);
}

/// [depth, rows] strips of op(a); rows that are not there are zero.
template <class T>
void lay_out_stretch(const Product& product, Index stretch) {
  const Index wide = strip_rows(product.options);
  const Index depth = product.depth(stretch);
  const Index k = stretch * kStretch;
  const ConstMatrixView a = product.a;
  const Index step = product.options.transpose_a ? a.stride : 1;
  float* to = product.laid_out + stretch * strips_of(product) * kStretch * wide;
  for (Index strip = 0; strip < strips_of(product); ++strip, to += kStretch * wide) {
    const Index first = strip * wide;
    const Index rows = std::min(wide, product.c.rows - first);
    if (rows < wide) std::fill_n(to, depth * wide, 0.0F);
    for (Index i = 0; i < rows; ++i) {
      const T* const from = product.options.transpose_a ? a.row<T>(k) + first + i : a.row<T>(first + i) + k;
      for (Index p = 0; p < depth; ++p) to[p * wide + i] = number(from + p * step);
    }
  }
}

void lay_out(const Product& product, Index stretch) {
  with_type(product.a.dtype, [&](auto zero) { lay_out_stretch<decltype(zero)>(product, stretch); });
}

/// The strips of a stretch.
const float* strips_at(const Product& product, Index stretch) {
  return product.laid_out + stretch * strips_of(product) * kStretch * strip_rows(product.options);
}

/// sums [count, rows of c] += p^T h^T.
void add_to_weight_rows(const Product& product, const LowRankTerm& term, Index first, Index count,
                        FmaMatmul::Own& own, MatrixView sums) {
  const ConstMatrixView h = term.h.row_range(product.first_row, product.c.rows);
  const ConstMatrixView p = term.p;
  float* const strip = own.weights.view(kStretch, kWidth, DType::kF32).row<float>(0);
  for (Index rank = 0; rank < p.rows; rank += kStretch) {
    const Index depth = std::min(kStretch, p.rows - rank);
    for (Index row = 0; row < h.rows; row += kWidth) {
      const Index rows = std::min(kWidth, h.rows - row);
      if (rows < kWidth) std::fill_n(strip, depth * kWidth, 0.0F);
      for (Index i = 0; i < rows; ++i) {
        for (Index r = 0; r < depth; ++r) strip[r * kWidth + i] = h.row<float>(row + i)[rank + r];
      }
      for (Index n = 0; n < count; n += kTileRows) {
        multiply_rows(std::min(kTileRows, count - n), kWidth, {p.row<float>(rank) + first + n, 1, p.stride},
                      depth, strip, kWidth, true, sums.row<float>(n) + row, sums.stride);
      }
    }
  }
}

/// c^T = b a^T: numbers of b's rows by vectors along the rows of a.
void multiply_weight_rows(const Product& product, Index first, Index count, FmaMatmul::Own& own) {
  const Index strips = strips_of(product);
  const MatrixView sums = own.sums.view(count, strips * kWidth, DType::kF32);
  const MatrixView weights = own.weights.view(count, kStretch + kPadding, DType::kF32);
  for (Index stretch = 0; stretch < product.stretches(); ++stretch) {
    const Index depth = product.depth(stretch);
    fetch(product, product.weights(first, count, stretch), own, weights.col_range(0, depth));
    const WeightView coming = product.weights(first, count, stretch + 1);
    const float* strip = strips_at(product, stretch);
    for (Index m = 0; m < strips; ++m, strip += kStretch * kWidth) {
      prefetch_share(coming, m, strips);
      for (Index n = 0; n < count; n += kTileRows) {
        if (m + 1 < strips)
          prefetch_share(strip + kStretch * kWidth, depth * kWidth, n / kTileRows, pieces(count, kTileRows));
        multiply_rows(std::min(kTileRows, count - n), kWidth, {weights.row<float>(n), weights.stride, 1},
                      depth, strip, kWidth, stretch > 0, sums.row<float>(n) + m * kWidth, sums.stride);
      }
    }
  }
  // The weights' memory is free by now: for strips of h, and then for kWidth rows of c at a time.
  for (const LowRankTerm& term : product.plus) add_to_weight_rows(product, term, first, count, own, sums);
  const MatrixView turned = own.weights.view(kWidth, count + kPadding, DType::kF32).col_range(0, count);
  store_turned(
      sums, turned, product.options.accumulate, [](Index /*column*/) { return 1.0F; },
      product.c.col_range(first, count));
}

/// sums [rows of c, width] += h p. room [kStretch, width], zero from `count` columns on.
void add_to_weight_columns(const Product& product, const LowRankTerm& term, Index first, Index count,
                           MatrixView room, MatrixView sums) {
  const ConstMatrixView h = term.h.row_range(product.first_row, product.c.rows);
  const ConstMatrixView p = term.p;
  for (Index rank = 0; rank < p.rows; rank += kStretch) {
    const Index depth = std::min(kStretch, p.rows - rank);
    copy_serial(p.row_range(rank, depth).col_range(first, count),
                room.row_range(0, depth).col_range(0, count));
    for (Index n = 0; n < sums.cols; n += kWidth) {
      for (Index row = 0; row < h.rows; row += kTileRows) {
        multiply_rows(std::min(kTileRows, h.rows - row), kWidth, {h.row<float>(row) + rank, h.stride, 1},
                      depth, room.row<float>(0) + n, room.stride, true, sums.row<float>(row) + n,
                      sums.stride);
      }
    }
  }
}

/// c = a b: numbers of a's rows by vectors along the rows of b.
void multiply_weight_columns(const Product& product, Index first, Index count, FmaMatmul::Own& own) {
  const Index strips = strips_of(product);
  const Index width = pieces(count, kWidth) * kWidth;
  const MatrixView sums = own.sums.view(strips * kTileRows, width, DType::kF32);
  const MatrixView weights = own.weights.view(kStretch, width + kPadding, DType::kF32);
  if (width > count) std::fill_n(weights.row<float>(0), weights.size(), 0.0F);  // columns that are not there
  for (Index stretch = 0; stretch < product.stretches(); ++stretch) {
    const Index depth = product.depth(stretch);
    fetch(product, product.weights(first, count, stretch), own,
          weights.row_range(0, depth).col_range(0, count));
    const WeightView coming = product.weights(first, count, stretch + 1);
    for (Index n = 0; n < width; n += kWidth) {
      prefetch_share(coming, n / kWidth, width / kWidth);
      const float* strip = strips_at(product, stretch);
      for (Index m = 0; m < strips; ++m, strip += kStretch * kTileRows) {
        multiply_rows(std::min(kTileRows, product.c.rows - m * kTileRows), kWidth, {strip, 1, kTileRows},
                      depth, weights.row<float>(0) + n, weights.stride, stretch > 0,
                      sums.row<float>(m * kTileRows) + n, sums.stride);
      }
    }
  }
  for (const LowRankTerm& term : product.plus)
    add_to_weight_columns(product, term, first, count, weights, sums);
  store_sums(sums.row_range(0, product.c.rows).col_range(0, count), product.options.accumulate,
             product.c.col_range(first, count));
}

void multiply_columns_of_c(const Product& product, Index first, Index count, FmaMatmul::Own& own) {
  product.options.transpose_b ? multiply_weight_rows(product, first, count, own)
                              : multiply_weight_columns(product, first, count, own);
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lorry::ops::cpu {

HWY_EXPORT(strip_rows);
HWY_EXPORT(lay_out);
HWY_EXPORT(multiply_columns_of_c);

Index FmaMatmul::kept_bytes(Index rows, Index side, Index threads) {
  return panel_bytes(rows, side, size_of(DType::kF32), threads);
}

void FmaMatmul::run(ConstMatrixView a, WeightView b, MatrixView c, MatmulOptions options, bool round_weights,
                    std::span<const LowRankTerm> plus) {
  of_threads_.resize(std::max(of_threads_.size(), static_cast<std::size_t>(omp_get_max_threads())));
  for_each_row_part({a, b, c, options}, size_of(DType::kF32), [&](const PanelProduct& part, Index row) {
    const Index side = HWY_DYNAMIC_DISPATCH(strip_rows)(options);
    const Index strips = pieces(part.c.rows, side);
    const MatrixView room = laid_out_.view(part.stretches() * kStretch, strips * side, DType::kF32);
    const Product product = {part, round_weights, plus, row, room.row<float>(0)};
    parallel_for(part.stretches(), [&](Index i) { HWY_DYNAMIC_DISPATCH(lay_out)(product, i); });
    for_each_column_piece(c.cols, [&](Index first, Index count) {
      Own& own = of_threads_[static_cast<std::size_t>(omp_get_thread_num())];
      HWY_DYNAMIC_DISPATCH(multiply_columns_of_c)(product, first, count, own);
    });
  });
}

}  // namespace lorry::ops::cpu
#endif  // HWY_ONCE
