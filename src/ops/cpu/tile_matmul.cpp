#include "ops/cpu/tile_matmul.hpp"

#include <omp.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "ops/cpu/elementwise.hpp"
#include "ops/cpu/low_rank.hpp"
#include "ops/cpu/parallel.hpp"
#include "ops/cpu/unpack.hpp"

namespace lorry::ops::cpu {

namespace {

using amx::kDepth;
using amx::kSide;
using amx::kTileBytes;

// What a pair of tiles takes of b for one such stretch of K stays in the first-level cache (32 KiB of 48)
// while all rows of a pass by. The second (2 MiB) holds those, what all columns of a block take of b, and the
// sums of the block.
constexpr Index kStretch = 512;  // which does not cut GGUF's larger blocks
constexpr Index kMostRows = 1024;
constexpr Index kSumsBytes = Index{512} << 10;
constexpr Index kBlockStep = 256;  // columns of a block are multiples of it, for GGUF again
constexpr Index kPair = 2 * kSide;
constexpr Index kLeast = 32;  // K or N below which tiles stay half empty
constexpr Index kSteps = kStretch / kDepth;
constexpr Index kStretchBytes = kSteps * kTileBytes;  // of one tile row
constexpr Index kPadding = 32;     // BF16s between rows, which begin in different sets of the cache
constexpr Index kRowsInPairs = 8;  // that are unpacked at once to be laid in pairs: 16 KiB
constexpr Index kPairElements = kPair * kPair;

Index rounded_up(Index count, Index step) {
  return pieces(count, step) * step;
}

/// Columns of c for a thread at a time: as many as the cache holds the sums of, in an even number of blocks
/// if that is more than one. By shape alone.
Index block_width(Index rows, Index cols) {
  if (cols < 2 * kBlockStep) return rounded_up(pieces(cols, 2), kPair);
  const Index most = std::max(kSumsBytes / 4 / rounded_up(rows, kPair) / kBlockStep, Index{1}) * kBlockStep;
  const Index blocks = rounded_up(pieces(cols, most), 2);
  return rounded_up(pieces(cols, blocks), kBlockStep);
}

/// The numbers of `part` as BF16; columns behind them up to whole steps are zero.
void fetch(WeightView part, MatrixView to) {
  const MatrixView there = to.row_range(0, part.rows).col_range(0, part.cols);
  unpack_serial(part, there);
  const Index tail = to.cols - part.cols;
  if (tail == 0) return;
  for (Index i = 0; i < part.rows; ++i) {
    std::memset(to.data + (i * to.stride + part.cols) * size_of(to.dtype), 0,
                static_cast<std::size_t>(tail * size_of(to.dtype)));
  }
}

/// The first `rows` rows of 64 bytes that lie `stride` apart, of which `bytes` exist, and zeros.
void copy_padded(const std::byte* from, Index stride, Index rows, Index bytes, std::byte* to) {
  std::memset(to, 0, kTileBytes);
  for (Index i = 0; i < rows; ++i)
    std::memcpy(to + i * 64, from + i * stride, static_cast<std::size_t>(bytes));
}

/// c (+)= sums, which are blocks of [32, 32] or, if transposed, their transposes, column of blocks by column.
void put(const float* sums, MatrixView c, bool transposed, bool accumulate) {
  alignas(64) std::array<float, kPairElements> turned;
  const Index down = pieces(c.rows, kPair);
  for (Index block = 0; block < pieces(c.cols, kPair) * down; ++block) {
    const Index row = block % down * kPair;
    const Index col = block / down * kPair;
    const float* from = sums + block * kPairElements;
    if (transposed) {
      for (const Index i : {Index{0}, kSide}) {
        for (const Index j : {Index{0}, kSide}) {
          amx::transpose(from + i * kPair + j, kPair, turned.data() + j * kPair + i, kPair);
        }
      }
      from = turned.data();
    }
    const MatrixView to =
        c.row_range(row, std::min(kPair, c.rows - row)).col_range(col, std::min(kPair, c.cols - col));
    const ConstMatrixView part = {reinterpret_cast<const std::byte*>(from), to.rows, to.cols, kPair,
                                  DType::kF32};
    accumulate ? add_serial(part, 1.0F, to) : copy_serial(part, to);
  }
}

}  // namespace

bool TileMatmul::serves(ConstMatrixView a, WeightView b, MatmulOptions options) {
  const Index inner = options.transpose_b ? b.cols : b.rows;
  const Index outputs = options.transpose_b ? b.rows : b.cols;
  return a.dtype == DType::kBF16 && b.is_packed() && !options.transpose_a && inner >= kLeast &&
         outputs >= kLeast && amx::available();
}

void TileMatmul::run(ConstMatrixView a, WeightView b, MatrixView c, MatmulOptions options,
                     std::span<const LowRankTerm> plus) {
  of_threads_.resize(std::max(of_threads_.size(), static_cast<std::size_t>(omp_get_max_threads())));
  const Index height = rounded_up(pieces(c.rows, pieces(c.rows, kMostRows)), kSide);
  const Index width = block_width(height, c.cols);
  for (Index row = 0; row < c.rows; row += height) {
    const Index rows = std::min(height, c.rows - row);
    lay_out(a.row_range(row, rows), options.transpose_b);
    const MatrixView out = c.row_range(row, rows);
    parallel_for(pieces(c.cols, width), [&](Index i) {
      Own& own = of_threads_[static_cast<std::size_t>(omp_get_thread_num())];
      const Index first = i * width;
      const Index count = std::min(width, c.cols - first);
      const amx::Session session;
      const MatrixView part = out.col_range(first, count);
      if (options.transpose_b) {
        multiply_rows({b.row_range(first, count), part, options.accumulate}, own);
      } else {
        multiply_columns({b.col_range(first, count), part, options.accumulate}, own);
      }
      add_terms(plus, row, first, part);
    });
  }
}

Index TileMatmul::kept_bytes(Index rows, Index side, Index threads) {
  constexpr Index kOwnBytes = Index{2} << 20;  // weights, tiles and sums
  return threads * kOwnBytes + std::min(rows, kMostRows) * side * size_of(DType::kBF16);
}

/// transposed: in pairs for the right side, else row by row for the left one.
void TileMatmul::lay_out(ConstMatrixView a, bool transposed) {
  tile_rows_ = pieces(a.rows, kSide);
  stretches_ = pieces(a.cols, kStretch);
  const MatrixView room = laid_out_.view(stretches_ * tile_rows_, kStretchBytes, DType::kU8);
  a_ = room.data;
  const Index row_bytes = a.stride * size_of(a.dtype);
  parallel_for(stretches_, [&](Index stretch) {
    for (Index row = 0; row < tile_rows_; ++row) {
      std::byte* to = room.data + (stretch * tile_rows_ + row) * kStretchBytes;
      const Index rows = std::min(kSide, a.rows - row * kSide);
      const Index last = std::min(a.cols, (stretch + 1) * kStretch);
      for (Index k = stretch * kStretch; k < last; k += kDepth, to += kTileBytes) {
        const std::byte* const from = a.data + row * kSide * row_bytes + k * size_of(a.dtype);
        const Index bytes = std::min(kDepth, a.cols - k) * size_of(a.dtype);
        alignas(64) std::array<std::byte, kTileBytes> padded;
        if (!transposed) {
          copy_padded(from, row_bytes, rows, bytes, to);
        } else if (rows == kSide && bytes == 64) {
          amx::transpose_pairs(from, row_bytes, to);
        } else {
          copy_padded(from, row_bytes, rows, bytes, padded.data());
          amx::transpose_pairs(padded.data(), 64, to);
        }
      }
    }
  });
}

const std::byte* TileMatmul::tiles_of(Index stretch, Index row) const {
  return a_ + (stretch * tile_rows_ + row) * kStretchBytes;
}

/// c^T = b a^T, where rows of b lie as the left side wants them.
void TileMatmul::multiply_rows(const Block& block, Own& own) {
  const WeightView b = block.b;
  const Index down = pieces(tile_rows_, 2);
  const Index across = pieces(b.rows, kPair);
  auto* const sums = own.sums.view(across * down, kPairElements, DType::kF32).row<float>(0);
  const MatrixView room = own.weights.view(kPair, kStretch + kPadding, DType::kBF16);
  const Index row_bytes = room.stride * size_of(room.dtype);
  for (Index stretch = 0; stretch < stretches_; ++stretch) {
    const Index k = stretch * kStretch;
    const Index depth = std::min(kStretch, b.cols - k);
    const Index steps = pieces(depth, kDepth);
    for (Index n = 0; n < across; ++n) {
      const Index count = std::min(kPair, b.rows - n * kPair);
      fetch(b.row_range(n * kPair, count).col_range(k, depth), room.col_range(0, steps * kDepth));
      const Index next = std::min((n + 1) * kPair, b.rows);
      prefetch(b.row_range(next, std::min(kPair, b.rows - next)).col_range(k, depth));
      const amx::Left left = {room.data, row_bytes, 64, kSide * row_bytes, pieces(count, kSide)};
      for (Index m = 0; m < down; ++m) {
        const amx::Right right = {tiles_of(stretch, 2 * m), kStretchBytes,
                                  std::min<Index>(2, tile_rows_ - 2 * m)};
        amx::multiply(left, right, amx::Passing::kRight, steps, k > 0, sums + (n * down + m) * kPairElements);
      }
    }
  }
  put(sums, block.c, true, block.accumulate);
}

/// Rows of `part` in pairs, a tile's columns at a time: [tiles across, steps of a stretch] tiles. `rows`
/// holds a few of them, unpacked.
void TileMatmul::lay_out_weights(WeightView part, MatrixView rows, std::byte* to) {
  const Index row_bytes = rows.stride * size_of(rows.dtype);
  for (Index k = 0; k < rounded_up(part.rows, kDepth); k += rows.rows) {
    const Index count = std::clamp<Index>(part.rows - k, 0, rows.rows);
    if (count > 0) fetch(part.row_range(k, count), rows);
    const Index next = std::min(k + rows.rows, part.rows);
    prefetch(part.row_range(next, std::min(rows.rows, part.rows - next)));
    std::memset(rows.data + count * row_bytes, 0, static_cast<std::size_t>((rows.rows - count) * row_bytes));
    for (Index row = 0; row < rows.rows; row += 2, to += 64) {
      const std::byte* const even = rows.data + row * row_bytes;
      amx::interleave(even, even + row_bytes, rows.cols / kSide, kStretchBytes, to);
    }
  }
}

/// c = a b, where rows of b are laid in pairs for the right side.
void TileMatmul::multiply_columns(const Block& block, Own& own) {
  const WeightView b = block.b;
  const Index down = pieces(tile_rows_, 2);
  const Index tiles = pieces(b.cols, kSide);
  const Index across = pieces(tiles, 2);
  auto* const sums = own.sums.view(across * down, kPairElements, DType::kF32).row<float>(0);
  const MatrixView rows = own.weights.view(kRowsInPairs, tiles * kSide, DType::kBF16);
  const MatrixView room = own.tiles.view(tiles, kStretchBytes, DType::kU8);
  for (Index stretch = 0; stretch < stretches_; ++stretch) {
    const Index k = stretch * kStretch;
    const Index depth = std::min(kStretch, b.rows - k);
    const Index steps = pieces(depth, kDepth);
    lay_out_weights(b.row_range(k, depth), rows, room.data);
    for (Index n = 0; n < across; ++n) {
      const amx::Right right = {room.data + 2 * n * kStretchBytes, kStretchBytes,
                                std::min<Index>(2, tiles - 2 * n)};
      for (Index m = 0; m < down; ++m) {
        const amx::Left left = {tiles_of(stretch, 2 * m), 64, kTileBytes, kStretchBytes,
                                std::min<Index>(2, tile_rows_ - 2 * m)};
        amx::multiply(left, right, amx::Passing::kLeft, steps, k > 0, sums + (n * down + m) * kPairElements);
      }
    }
  }
  put(sums, block.c, false, block.accumulate);
}

}  // namespace lorry::ops::cpu
