// ops/cpu/parallel.hpp: loops over independent pieces of work on OpenMP's threads. Kernels themselves are
// single-threaded; pieces are cut by shape alone, never by the number of threads, so results do not depend on
// it.
#pragma once
#include <algorithm>

#include "core/index.hpp"

namespace lorry::ops::cpu {

/// Calls body(i) for i in [0, count), in any order, on all threads. body must not throw.
template <class Body>
void parallel_for(Index count, Body&& body) {
#pragma omp parallel for schedule(dynamic, 1) if (count > 1)
  for (Index i = 0; i < count; ++i) body(i);
}

/// Pieces of `size` that cover `total`.
constexpr Index pieces(Index total, Index size) {
  return (total + size - 1) / size;
}

/// Calls body(row, rows, col, cols) for tiles that cover [rows, cols]; col is a multiple of 1024.
template <class Body>
void parallel_tiles(Index rows, Index cols, Body&& body) {
  // Elements a thread takes at once: enough to hide the start of a parallel loop, few enough to balance.
  constexpr Index kTile = Index{1} << 15;
  if (rows == 0 || cols == 0) return;
  const Index tile_cols = std::min(cols, kTile);
  const Index tile_rows = std::max<Index>(1, kTile / tile_cols);
  const Index across = pieces(cols, tile_cols);
  parallel_for(pieces(rows, tile_rows) * across, [&](Index tile) {
    const Index row = tile / across * tile_rows;
    const Index col = tile % across * tile_cols;
    body(row, std::min(tile_rows, rows - row), col, std::min(tile_cols, cols - col));
  });
}

}  // namespace lorry::ops::cpu
