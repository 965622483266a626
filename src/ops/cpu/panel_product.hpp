// ops/cpu/panel_product.hpp: how products are cut for kernels of ours that lay all of a out once and then
// take b a piece at a time, each piece by one thread, which multiplies it by all of a.
#pragma once
#include <omp.h>

#include <algorithm>

#include "ops/cpu/elementwise.hpp"
#include "ops/cpu/parallel.hpp"
#include "ops/cpu/unpack.hpp"
#include "ops/ops.hpp"

namespace lorry::ops::cpu {

// Of a, laid out at once: by then unpacking b hardly counts, and it takes little memory beside a step's.
inline constexpr Index kMostRows = 512;
inline constexpr Index kMostLaidOut = Index{24} << 20;  // bytes
inline constexpr Index kWidestStrip = 64;               // rows of a side by side, at most
inline constexpr Index kPadding = 16;  // elements between rows, which begin in different sets of the cache

/// How far a piece of b reaches.
struct PieceSizes {
  Index stretch;  // along K; GGUF's larger blocks, of 256, are not cut
  Index cols;     // of c, at most
};
// A strip of a this deep stays in the first-level cache with the weights it meets (16 and 6 KiB of 32), those
// weights (256 KiB) in the second-level cache.
inline constexpr PieceSizes kPieceSizes = {.stretch = 256, .cols = 256};

/// c (+)= op(a) op(b), none of the sides 0. K, the side that is summed over, is taken in stretches.
struct PanelProduct {
  ConstMatrixView a;
  WeightView b;
  MatrixView c;
  MatmulOptions options;
  PieceSizes sizes = kPieceSizes;

  [[nodiscard]] Index inner() const { return options.transpose_b ? b.cols : b.rows; }
  [[nodiscard]] Index stretches() const { return pieces(inner(), sizes.stretch); }
  /// Of a stretch; 0 behind the last one.
  [[nodiscard]] Index depth(Index stretch) const {
    return std::clamp<Index>(inner() - stretch * sizes.stretch, 0, sizes.stretch);
  }
  /// What columns [first, first + count) of c take of b for a stretch; nothing behind the last one.
  [[nodiscard]] WeightView weights(Index first, Index count, Index stretch) const {
    const Index k = std::min(stretch * sizes.stretch, inner());
    return options.transpose_b ? b.row_range(first, count).col_range(k, depth(stretch))
                               : b.row_range(k, depth(stretch)).col_range(first, count);
  }
  /// What the calling thread is likely to take after weights(first, count, stretch): of the columns that
  /// follow, the other threads take theirs.
  [[nodiscard]] WeightView coming(Index first, Index count, Index stretch) const {
    const Index next = first + omp_get_num_threads() * count;
    if (stretch + 1 < stretches() || next >= c.cols) return weights(first, count, stretch + 1);
    return weights(next, std::min(count, c.cols - next), 0);
  }
};

/// Asks for one of `shares` of the weights that come next, while something else is computed.
inline void prefetch_share(WeightView next, Index share, Index shares) {
  const Index rows = pieces(next.rows, shares);
  const Index first = share * rows;
  if (first >= next.rows) return;
  prefetch(next.row_range(first, std::min(rows, next.rows - first)));
}

/// Bytes that such a kernel keeps between calls with up to `rows` rows of a, and `side` its columns or those
/// of c, at most: a laid out, `bytes` for a number, and what every thread has.
inline Index panel_bytes(Index rows, Index side, Index bytes, Index threads, PieceSizes sizes = kPieceSizes) {
  const Index height = std::min(rows, kMostRows);
  const Index own = sizes.cols * (sizes.stretch + kPadding) + sizes.cols * height;
  return threads * own * size_of(DType::kF32) + std::min(height * side * bytes, kMostLaidOut);
}

/// Calls body(part, its first row of c) for parts of as many rows of c as are laid out at once, `bytes` for a
/// number of a.
template <class Body>
void for_each_row_part(const PanelProduct& whole, Index bytes, Body&& body) {
  const Index most_rows = std::clamp(kMostLaidOut / (whole.inner() * bytes), kWidestStrip, kMostRows);
  const Index height = pieces(whole.c.rows, pieces(whole.c.rows, most_rows));
  for (Index row = 0; row < whole.c.rows; row += height) {
    const Index rows = std::min(height, whole.c.rows - row);
    PanelProduct part = whole;
    part.a = whole.options.transpose_a ? whole.a.col_range(row, rows) : whole.a.row_range(row, rows);
    part.c = whole.c.row_range(row, rows);
    body(part, row);
  }
}

/// c (+)= sums.
inline void store_sums(ConstMatrixView sums, bool accumulate, MatrixView c) {
  accumulate ? add_serial(sums, 1.0F, c) : copy_serial(sums, c);
}

/// Calls body(first, count) for pieces of the columns of c on all threads: whole rows of tiles and whole
/// blocks of GGUF, several for every thread where there are columns.
template <class Body>
void for_each_column_piece(const PanelProduct& product, Body&& body) {
  constexpr Index kStep = 64;
  const Index cols = product.c.cols;
  const Index share = pieces(cols, 2 * omp_get_max_threads());
  const Index width = std::clamp(pieces(share, kStep) * kStep, kStep, product.sizes.cols);
  parallel_for(pieces(cols, width), [&](Index i) { body(i * width, std::min(width, cols - i * width)); });
}

}  // namespace lorry::ops::cpu
