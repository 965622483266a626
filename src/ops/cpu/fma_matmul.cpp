#include "ops/cpu/fma_matmul.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/fma_matmul.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>
#include <omp.h>

#include <algorithm>

#include "ops/cpu/elementwise.hpp"
#include "ops/cpu/parallel.hpp"
#include "ops/cpu/small_gemm-inl.hpp"
#include "ops/cpu/unpack.hpp"

#ifndef LORRY_OPS_CPU_FMA_MATMUL
#define LORRY_OPS_CPU_FMA_MATMUL
namespace lorry::ops::cpu {
namespace {

// A strip of a this deep stays in the first-level cache with the weights it meets (16 and 6 KiB of 32), and
// GGUF's larger blocks are not cut.
constexpr Index kStretch = 256;
// Of a, laid out at once: by then unpacking b hardly counts, and it takes little memory beside a step's.
constexpr Index kMostRows = 512;
constexpr Index kMostBytes = Index{24} << 20;
// Columns of c for a thread at a time: its weights of one stretch (256 KiB) stay in the second-level cache.
constexpr Index kMostCols = 256;
constexpr Index kWidestStrip = 64;
constexpr Index kPadding = 16;  // floats between rows, which begin in different sets of the cache

/// What all threads know of a product.
struct Product {
  ConstMatrixView a;
  WeightView b;
  MatrixView c;
  MatmulOptions options;
  bool round_weights;
  float* laid_out;  // [stretches of K, strips of a] strips

  [[nodiscard]] Index inner() const { return options.transpose_a ? a.rows : a.cols; }
  /// Of a stretch; 0 behind the last one.
  [[nodiscard]] Index depth(Index stretch) const {
    return std::clamp<Index>(inner() - stretch * kStretch, 0, kStretch);
  }
};

/// What columns [first, first + count) of c take of b for a stretch; nothing behind the last one.
WeightView weights_of(const Product& product, Index first, Index count, Index stretch) {
  const Index k = std::min(stretch * kStretch, product.inner());
  const Index depth = product.depth(stretch);
  return product.options.transpose_b ? product.b.row_range(first, count).col_range(k, depth)
                                     : product.b.row_range(k, depth).col_range(first, count);
}

/// Asks for one of `shares` of what comes next, while something else is computed.
void prefetch_share(WeightView next, Index share, Index shares) {
  const Index rows = pieces(next.rows, shares);
  const Index first = std::min(share * rows, next.rows);
  prefetch(next.row_range(first, std::min(rows, next.rows - first)));
}
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

/// c (+)= sums.
void put(ConstMatrixView sums, bool accumulate, MatrixView c) {
  accumulate ? add_serial(sums, 1.0F, c) : copy_serial(sums, c);
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

/// c^T = b a^T: numbers of b's rows by vectors along the rows of a.
void multiply_weight_rows(const Product& product, Index first, Index count, FmaMatmul::Own& own) {
  const Index strips = strips_of(product);
  const MatrixView sums = own.sums.view(count, strips * kWidth, DType::kF32);
  const MatrixView weights = own.weights.view(count, kStretch + kPadding, DType::kF32);
  for (Index stretch = 0; stretch < pieces(product.inner(), kStretch); ++stretch) {
    const Index depth = product.depth(stretch);
    fetch(product, weights_of(product, first, count, stretch), own, weights.col_range(0, depth));
    const WeightView coming = weights_of(product, first, count, stretch + 1);
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
  // The weights' memory is free by now and takes kWidth rows of c at a time.
  const MatrixView turned = own.weights.view(kWidth, count + kPadding, DType::kF32).col_range(0, count);
  for (Index row = 0; row < product.c.rows; row += kWidth) {
    for (Index n = 0; n < count; ++n) {
      const float* const from = sums.row<float>(n) + row;
      for (Index i = 0; i < kWidth; ++i) turned.row<float>(i)[n] = from[i];
    }
    const Index rows = std::min(kWidth, product.c.rows - row);
    put(turned.row_range(0, rows), product.options.accumulate,
        product.c.row_range(row, rows).col_range(first, count));
  }
}

/// c = a b: numbers of a's rows by vectors along the rows of b.
void multiply_weight_columns(const Product& product, Index first, Index count, FmaMatmul::Own& own) {
  const Index strips = strips_of(product);
  const Index width = pieces(count, kWidth) * kWidth;
  const MatrixView sums = own.sums.view(strips * kTileRows, width, DType::kF32);
  const MatrixView weights = own.weights.view(kStretch, width + kPadding, DType::kF32);
  if (width > count) std::fill_n(weights.row<float>(0), weights.size(), 0.0F);  // columns that are not there
  for (Index stretch = 0; stretch < pieces(product.inner(), kStretch); ++stretch) {
    const Index depth = product.depth(stretch);
    fetch(product, weights_of(product, first, count, stretch), own,
          weights.row_range(0, depth).col_range(0, count));
    const WeightView coming = weights_of(product, first, count, stretch + 1);
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
  put(sums.row_range(0, product.c.rows).col_range(0, count), product.options.accumulate,
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
  const Index height = std::min(rows, kMostRows);
  const Index own = kMostCols * (kStretch + kPadding) + kMostCols * height;
  return threads * own * size_of(DType::kF32) + std::min(height * side * size_of(DType::kF32), kMostBytes);
}

void FmaMatmul::run(ConstMatrixView a, WeightView b, MatrixView c, MatmulOptions options,
                    bool round_weights) {
  of_threads_.resize(std::max(of_threads_.size(), static_cast<std::size_t>(omp_get_max_threads())));
  const Index inner = options.transpose_b ? b.cols : b.rows;
  const Index stretches = pieces(inner, kStretch);
  const Index most_rows = std::clamp(kMostBytes / (inner * size_of(DType::kF32)), kWidestStrip, kMostRows);
  const Index height = pieces(c.rows, pieces(c.rows, most_rows));
  // In whole rows of tiles and whole blocks of GGUF; several blocks for every thread where there are columns.
  const Index share = pieces(c.cols, 2 * omp_get_max_threads());
  const Index width = std::clamp(pieces(share, kMostCols / 4) * (kMostCols / 4), kMostCols / 4, kMostCols);
  for (Index row = 0; row < c.rows; row += height) {
    const Index rows = std::min(height, c.rows - row);
    Product product = {options.transpose_a ? a.col_range(row, rows) : a.row_range(row, rows),
                       b,
                       c.row_range(row, rows),
                       options,
                       round_weights,
                       nullptr};
    const Index side = HWY_DYNAMIC_DISPATCH(strip_rows)(options);
    product.laid_out =
        laid_out_.view(stretches * kStretch, pieces(rows, side) * side, DType::kF32).row<float>(0);
    parallel_for(stretches, [&](Index i) { HWY_DYNAMIC_DISPATCH(lay_out)(product, i); });
    parallel_for(pieces(c.cols, width), [&](Index i) {
      Own& own = of_threads_[static_cast<std::size_t>(omp_get_thread_num())];
      HWY_DYNAMIC_DISPATCH(multiply_columns_of_c)
      (product, i * width, std::min(width, c.cols - i * width), own);
    });
  }
}

}  // namespace lorry::ops::cpu
#endif  // HWY_ONCE
