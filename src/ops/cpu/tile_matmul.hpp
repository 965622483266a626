// ops/cpu/tile_matmul.hpp: BF16 products on AMX tiles, with weights of any type. oneDNN 2.6 reaches two
// fifths of what the tiles can do.
#pragma once
#include <span>
#include <vector>

#include "ops/cpu/amx.hpp"
#include "ops/cpu/scratch.hpp"
#include "ops/ops.hpp"
#include "tensor/weight_view.hpp"

namespace lorry::ops::cpu {

/// c (+)= a op(b) + plus, cut into blocks of c that one thread computes: it takes b a piece at a time,
/// unpacked into its first-level cache, and multiplies it by all of a, which was laid out in tiles once.
/// Every element of c is one sum along K, in F32 and always in the same order: it depends on its row of a and
/// its column of b alone, bit for bit.
class TileMatmul {
 public:
  /// Whether this machine has tiles, the weights are packed, which oneDNN cannot read, and the product is
  /// large enough, which its number of rows does not decide.
  static bool serves(ConstMatrixView a, WeightView b, MatmulOptions options);

  /// a [M,K] BF16; b packed; c [M,N] F32 or BF16. options.transpose_a must be
  /// false.
  void run(ConstMatrixView a, WeightView b, MatrixView c, MatmulOptions options,
           std::span<const LowRankTerm> plus = {});

  /// Bytes kept between calls with up to `rows` rows of a, and `side` its columns or those of c, at most.
  static Index kept_bytes(Index rows, Index side, Index threads);

 private:
  /// A thread's memory.
  struct Own {
    Scratch weights, tiles, sums;
  };
  /// What a thread computes: some columns of c.
  struct Block {
    WeightView b;  // its rows, or if it is not transposed its columns
    MatrixView c;
    bool accumulate;
  };

  void lay_out(ConstMatrixView a, bool transposed);
  /// Of tile row `row`, from stretch `stretch` of K on.
  [[nodiscard]] const std::byte* tiles_of(Index stretch, Index row) const;
  static void lay_out_weights(WeightView part, MatrixView rows, std::byte* to);
  void multiply_rows(const Block& block, Own& own);
  void multiply_columns(const Block& block, Own& own);

  Scratch laid_out_;              // [stretches of K, tile rows of a, steps of a stretch] tiles
  const std::byte* a_ = nullptr;  // the same
  Index tile_rows_ = 0;
  Index stretches_ = 0;
  std::vector<Own> of_threads_;
};

}  // namespace lorry::ops::cpu
