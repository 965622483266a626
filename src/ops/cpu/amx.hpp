// ops/cpu/amx.hpp: the tile registers of AMX: products of 16 x 32 by 32 x 16 BF16, summed in F32. Highway has
// no such operation, so these few functions are written in the compiler's own.
#pragma once
#include <cstddef>

#include "core/index.hpp"

namespace lorry::ops::cpu::amx {

constexpr Index kSide = 16;   // rows of a tile, and columns of F32
constexpr Index kDepth = 32;  // BF16 of a row: what one step sums over
constexpr Index kTileBytes = 1024;
constexpr Index kPairRowBytes = 2 * kSide * 4;  // of two tiles of F32 beside each other

/// Whether this machine has BF16 tiles and the system grants them to this process.
bool available();

/// The calling thread's tiles are set up while it lives.
class Session {
 public:
  Session();
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
};

/// One or two tiles on top of each other, [16, 32] BF16 per step.
struct Left {
  const std::byte* data;
  Index row_bytes;   // from row to row
  Index step_bytes;  // from step to step
  Index tile_bytes;  // from the first tile to the second
  Index tiles;       // 1 or 2
};

/// One or two tiles beside each other, [32, 16] BF16 per step: 16 rows of pairs, as transpose_pairs() and
/// interleave() lay them; step follows step.
struct Right {
  const std::byte* data;
  Index tile_bytes;  // from the first tile to the second
  Index tiles;       // 1 or 2
};

/// Which side another call will not want again soon.
enum class Passing { kLeft, kRight };

/// c [16 left.tiles, 16 right.tiles] (+)= left right over so many steps; rows of c lie kPairRowBytes apart.
/// Sums run along K one pair after the other, whatever else is computed beside them. Within a Session.
void multiply(const Left& left, const Right& right, Passing passing, Index steps, bool add, float* c);

/// 16 rows of 32 BF16, from row to row `row_bytes`, as the Right that multiplies by their transpose.
void transpose_pairs(const std::byte* from, Index row_bytes, std::byte* to);
/// Two rows of BF16 as one row of pairs of each of `tiles` Rights, which lie `tile_bytes` apart.
void interleave(const std::byte* even, const std::byte* odd, Index tiles, Index tile_bytes, std::byte* to);
/// to [16,16] = from^T, F32, from row to row so many elements.
void transpose(const float* from, Index from_stride, float* to, Index to_stride);

}  // namespace lorry::ops::cpu::amx
