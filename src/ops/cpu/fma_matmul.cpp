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
#include "ops/cpu/store_turned-inl.hpp"
#include "ops/cpu/unpack.hpp"

#ifndef LORRY_OPS_CPU_FMA_MATMUL
#define LORRY_OPS_CPU_FMA_MATMUL
namespace lorry::ops::cpu {
namespace {

// Strips of pairs come from the second-level cache as fast as they are multiplied. So stretches are deep:
// rows of weights are read in longer pieces, and sums are loaded and stored less often. Few columns at a time
// leave that cache room for strips, and threads more pieces to share.
constexpr PieceSizes kSizesOfPairs = {.stretch = 1024, .cols = 128};
constexpr Index kRanksAtOnce = 256;  // of low-rank terms

/// What all threads know of a product.
struct Product : PanelProduct {
  FmaNumbers numbers = FmaNumbers::kFloats;
  std::span<const LowRankTerm> plus;
  Index first_row = 0;            // of c in the h of plus
  std::byte* laid_out = nullptr;  // [stretches of K, strips of a] strips of numbers or pairs, 4 bytes each
};

void fetch_serial(WeightView part, MatrixView to) {
  part.is_packed() ? unpack_serial(part, to) : copy_serial(part.dense, to);
}

/// `part` of the weights as BF16: where it lies, or in `own`.
ConstMatrixView as_bf16(WeightView part, FmaMatmul::Own& own) {
  if (part.is(DType::kBF16)) return part.dense;
  const MatrixView rounded = own.rounded.view(part.rows, part.cols, DType::kBF16);
  fetch_serial(part, rounded);
  return rounded;
}

/// `part` of the weights in float32.
void fetch(const Product& product, WeightView part, FmaMatmul::Own& own, MatrixView to) {
  const bool round = product.numbers != FmaNumbers::kFloats;
  round ? copy_serial(as_bf16(part, own), to) : fetch_serial(part, to);
}

}  // namespace
}  // namespace lorry::ops::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

constexpr Index kWidth = kTileVectors * kLanes;  // of a strip of vectors
static_assert(kWidth <= kWidestStrip);

/// Numbers along K of a stretch.
template <class Number>
Index depth_of_strips(const Product& product) {
  return product.sizes.stretch / kAlong<Number>;
}

/// Asks for one of `shares` of numbers that come next, while something else is computed.
template <class Number>
HWY_INLINE void prefetch_strip(const Number* next, Index numbers, Index share, Index shares) {
  if constexpr (kAlong<Number> == 2) return;  // costs more than it saves: stretches are deep
  constexpr Index kLine = 64 / static_cast<Index>(sizeof(Number));
  constexpr int kSecondLevel = 2;
  const Index lines = pieces(numbers / kLine, shares);
  for (Index i = share * lines; i < (share + 1) * lines; ++i)
    __builtin_prefetch(next + i * kLine, 0, kSecondLevel);
}

/// Rows of a side by side: kWidth where they are vectors, kTileRows where they are read one by one.
Index strip_rows(MatmulOptions options) {
  return options.transpose_b ? kWidth : kTileRows;
}

Index strips_of(const Product& product) {
  return pieces(product.c.rows, strip_rows(product.options));
}

/// The strips of a stretch, one after the other.
template <class Number>
Number* strips_at(const Product& product, Index stretch) {
  const Index before =
      stretch * strips_of(product) * strip_rows(product.options) * depth_of_strips<Number>(product);
  return reinterpret_cast<Number*>(product.laid_out) + before;
}

/// Strips of op(a); rows that are not there are zero. Vectors of rows: [numbers, kWidth]. Rows that are read
/// one by one: [kTileRows, depth_of_strips], or if a is transposed [numbers, kTileRows].
template <class Number, class T>
void lay_out_stretch(const Product& product, Index stretch) {
  const Index wide = strip_rows(product.options);
  const Index depth = product.depth(stretch);
  const Index numbers = pieces(depth, kAlong<Number>);
  const Index k = stretch * product.sizes.stretch;
  const Index strip_depth = depth_of_strips<Number>(product);
  const ConstMatrixView a = product.a;
  Number* to = strips_at<Number>(product, stretch);
  for (Index strip = 0; strip < strips_of(product); ++strip, to += strip_depth * wide) {
    const Index first = strip * wide;
    const Index rows = std::min(wide, product.c.rows - first);
    if (rows < wide) std::fill_n(to, strip_depth * wide, Number{});
    if (product.options.transpose_a) {
      for (Index p = 0; p < numbers; ++p) {
        const Index row = k + p * kAlong<Number>;
        const bool is_last = row + 1 == a.rows;
        take_rows(a.row<T>(row) + first, is_last ? nullptr : a.row<T>(row + 1) + first, rows, to + p * wide);
      }
    } else if (product.options.transpose_b) {
      turn_rows(a.row<T>(first) + k, a.stride, rows, depth, to, wide);
    } else {
      for (Index i = 0; i < rows; ++i) take_row(a.row<T>(first + i) + k, depth, to + i * strip_depth);
    }
  }
}

void lay_out(const Product& product, Index stretch) {
  if (product.numbers == FmaNumbers::kPairs) return lay_out_stretch<Pair, BF16>(product, stretch);
  with_type(product.a.dtype, [&](auto zero) { lay_out_stretch<float, decltype(zero)>(product, stretch); });
}

/// sums [count, rows of c] += p^T h^T.
void add_to_weight_rows(const Product& product, const LowRankTerm& term, Index first, Index count,
                        FmaMatmul::Own& own, MatrixView sums) {
  const ConstMatrixView h = term.h.row_range(product.first_row, product.c.rows);
  const ConstMatrixView p = term.p;
  float* const strip = own.weights.view(kRanksAtOnce, kWidth, DType::kF32).row<float>(0);
  for (Index rank = 0; rank < p.rows; rank += kRanksAtOnce) {
    const Index depth = std::min(kRanksAtOnce, p.rows - rank);
    for (Index row = 0; row < h.rows; row += kWidth) {
      const Index rows = std::min(kWidth, h.rows - row);
      if (rows < kWidth) std::fill_n(strip, depth * kWidth, 0.0F);
      turn_rows(h.row<float>(row) + rank, h.stride, rows, depth, strip, kWidth);
      for (Index n = 0; n < count; n += kTileRows) {
        multiply_rows(std::min(kTileRows, count - n), kWidth, {p.row<float>(rank) + first + n, 1, p.stride},
                      depth, strip, kWidth, true, sums.row<float>(n) + row, sums.stride);
      }
    }
  }
}

/// A stretch of rows of weights: where it lies, or in `own`.
template <class Number>
Numbers<Number> weight_rows(const Product& product, WeightView part, FmaMatmul::Own& own) {
  const bool pairs = kAlong<Number> == 2;
  // Pairs that begin at even places can be read where the weights are.
  if (pairs && part.is(DType::kBF16) && part.cols % 2 == 0 && part.dense.stride % 2 == 0)
    return {reinterpret_cast<const Number*>(part.dense.data), part.dense.stride / 2, 1};
  const DType type = pairs ? DType::kBF16 : DType::kF32;
  const MatrixView room =
      own.weights.view(part.rows, product.sizes.stretch + kPadding, type).col_range(0, part.cols);
  pairs ? fetch_serial(part, room) : fetch(product, part, own, room);
  for (Index i = 0; pairs && part.cols % 2 != 0 && i < part.rows; ++i) room.row<BF16>(i)[part.cols] = {};
  return {reinterpret_cast<const Number*>(room.data), room.stride / kAlong<Number>, 1};
}

/// to [numbers, columns], rows `stride` apart = columns of weights over a stretch.
void fetch_weight_columns(const Product& product, WeightView part, FmaMatmul::Own& own, float* to,
                          Index stride) {
  fetch(product, part, own, {reinterpret_cast<std::byte*>(to), part.rows, part.cols, stride, DType::kF32});
}
void fetch_weight_columns(const Product& /*product*/, WeightView part, FmaMatmul::Own& own, Pair* to,
                          Index stride) {
  const ConstMatrixView rows = as_bf16(part, own);
  for (Index k = 0; k < rows.rows; k += 2) {
    take_rows(rows.row<BF16>(k), k + 1 < rows.rows ? rows.row<BF16>(k + 1) : nullptr, rows.cols,
              to + k / 2 * stride);
  }
}

/// c^T = b a^T: numbers of b's rows by vectors along the rows of a.
template <class Number>
void multiply_weight_rows(const Product& product, Index first, Index count, FmaMatmul::Own& own) {
  const Index strips = strips_of(product);
  const Index tiles = pieces(count, kTileRows);
  const Index strip_size = depth_of_strips<Number>(product) * kWidth;
  const MatrixView sums = own.sums.view(count, strips * kWidth, DType::kF32);
  for (Index stretch = 0; stretch < product.stretches(); ++stretch) {
    const Index numbers = pieces(product.depth(stretch), kAlong<Number>);
    const Numbers<Number> weights = weight_rows<Number>(product, product.weights(first, count, stretch), own);
    const WeightView coming = product.coming(first, count, stretch);
    const Number* strip = strips_at<Number>(product, stretch);
    for (Index m = 0; m < strips; ++m, strip += strip_size) {
      for (Index tile = 0; tile < tiles; ++tile) {
        const Index n = tile * kTileRows;
        prefetch_share(coming, m * tiles + tile, strips * tiles);
        if (m + 1 < strips) prefetch_strip(strip + strip_size, numbers * kWidth, tile, tiles);
        multiply_rows(std::min(kTileRows, count - n), kWidth,
                      {weights.data + n * weights.row, weights.row, 1}, numbers, strip, kWidth, stretch > 0,
                      sums.row<float>(n) + m * kWidth, sums.stride);
      }
    }
  }
  // The weights' memory is free by now: for strips of h, and then for rows of c.
  for (const LowRankTerm& term : product.plus) add_to_weight_rows(product, term, first, count, own, sums);
  store_turned(
      sums, own.weights, product.options.accumulate, [](Index /*column*/) { return 1.0F; },
      product.c.col_range(first, count));
}

/// sums [rows of c, width] += h p. room [kRanksAtOnce or more, width], zero from `count` columns on.
void add_to_weight_columns(const Product& product, const LowRankTerm& term, Index first, Index count,
                           MatrixView room, MatrixView sums) {
  const ConstMatrixView h = term.h.row_range(product.first_row, product.c.rows);
  const ConstMatrixView p = term.p;
  for (Index rank = 0; rank < p.rows; rank += kRanksAtOnce) {
    const Index depth = std::min(kRanksAtOnce, p.rows - rank);
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
template <class Number>
void multiply_weight_columns(const Product& product, Index first, Index count, FmaMatmul::Own& own) {
  const Index strips = strips_of(product);
  const Index width = pieces(count, kWidth) * kWidth;
  const Index strip_depth = depth_of_strips<Number>(product);
  const MatrixView sums = own.sums.view(strips * kTileRows, width, DType::kF32);
  const MatrixView room =
      own.weights.view(std::max(strip_depth, kRanksAtOnce), width + kPadding, DType::kF32);
  if (width > count) std::fill_n(room.row<float>(0), room.size(), 0.0F);  // columns that are not there
  auto* const weights = reinterpret_cast<Number*>(room.data);
  const bool is_turned = product.options.transpose_a;  // a's rows, number by number
  for (Index stretch = 0; stretch < product.stretches(); ++stretch) {
    const Index numbers = pieces(product.depth(stretch), kAlong<Number>);
    fetch_weight_columns(product, product.weights(first, count, stretch), own, weights, room.stride);
    const WeightView coming = product.coming(first, count, stretch);
    for (Index n = 0; n < width; n += kWidth) {
      const Number* strip = strips_at<Number>(product, stretch);
      for (Index m = 0; m < strips; ++m, strip += strip_depth * kTileRows) {
        prefetch_share(coming, n / kWidth * strips + m, width / kWidth * strips);
        const Numbers<Number> rows = {strip, is_turned ? 1 : strip_depth, is_turned ? kTileRows : 1};
        multiply_rows(std::min(kTileRows, product.c.rows - m * kTileRows), kWidth, rows, numbers, weights + n,
                      room.stride, stretch > 0, sums.row<float>(m * kTileRows) + n, sums.stride);
      }
    }
  }
  for (const LowRankTerm& term : product.plus) add_to_weight_columns(product, term, first, count, room, sums);
  store_sums(sums.row_range(0, product.c.rows).col_range(0, count), product.options.accumulate,
             product.c.col_range(first, count));
}

template <class Number>
void multiply_columns_by(const Product& product, Index first, Index count, FmaMatmul::Own& own) {
  product.options.transpose_b ? multiply_weight_rows<Number>(product, first, count, own)
                              : multiply_weight_columns<Number>(product, first, count, own);
}

void multiply_columns_of_c(const Product& product, Index first, Index count, FmaMatmul::Own& own) {
  product.numbers == FmaNumbers::kPairs ? multiply_columns_by<Pair>(product, first, count, own)
                                        : multiply_columns_by<float>(product, first, count, own);
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lorry::ops::cpu {

HWY_EXPORT(cpu_has_pairs);
HWY_EXPORT(strip_rows);
HWY_EXPORT(lay_out);
HWY_EXPORT(multiply_columns_of_c);

Index FmaMatmul::kept_bytes(Index rows, Index side, Index threads) {
  return std::max(panel_bytes(rows, side, size_of(DType::kF32), threads),
                  panel_bytes(rows, side, size_of(DType::kBF16), threads, kSizesOfPairs));
}

void FmaMatmul::run(ConstMatrixView a, WeightView b, MatrixView c, MatmulOptions options, FmaNumbers numbers,
                    std::span<const LowRankTerm> plus) {
  const bool pairs = numbers == FmaNumbers::kPairs;
  LORRY_CHECK(!pairs || (a.dtype == DType::kBF16 && has_pairs()));
  of_threads_.resize(std::max(of_threads_.size(), static_cast<std::size_t>(omp_get_max_threads())));
  const Index bytes = size_of(pairs ? DType::kBF16 : DType::kF32);
  PanelProduct whole = {a, b, c, options, pairs ? kSizesOfPairs : kPieceSizes};
  // No deeper than K, in whole blocks of GGUF: a stretch has room as if it were full.
  Index& stretch = whole.sizes.stretch;
  stretch = std::min(stretch, pieces(whole.inner(), kPieceSizes.stretch) * kPieceSizes.stretch);
  for_each_row_part(whole, bytes, [&](const PanelProduct& part, Index row) {
    const Index side = HWY_DYNAMIC_DISPATCH(strip_rows)(options);
    const Index strips = pieces(part.c.rows, side);
    const MatrixView room = laid_out_.view(part.stretches() * stretch * bytes, strips * side, DType::kU8);
    const Product product = {part, numbers, plus, row, room.data};
    parallel_for(part.stretches(), [&](Index i) { HWY_DYNAMIC_DISPATCH(lay_out)(product, i); });
    for_each_column_piece(part, [&](Index first, Index count) {
      Own& own = of_threads_[static_cast<std::size_t>(omp_get_thread_num())];
      HWY_DYNAMIC_DISPATCH(multiply_columns_of_c)(product, first, count, own);
    });
  });
}

bool FmaMatmul::has_pairs() {
  return HWY_DYNAMIC_DISPATCH(cpu_has_pairs)();
}

}  // namespace lorry::ops::cpu
#endif  // HWY_ONCE
