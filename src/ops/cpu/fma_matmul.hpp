// ops/cpu/fma_matmul.hpp: products in float32, with weights of any type: for machines without AVX-512, where
// oneDNN 2.6 reaches a quarter to a half of what the cores can do and cannot read packed weights.
#pragma once
#include <span>
#include <vector>

#include "ops/cpu/scratch.hpp"
#include "ops/ops.hpp"
#include "tensor/weight_view.hpp"

namespace lorry::ops::cpu {

/// c (+)= op(a) op(b) + plus, cut into blocks of columns of c that one thread computes: it takes b a piece at
/// a time, as float32 in its second-level cache, and multiplies it by all of a, which was laid out in strips
/// once. Every element of c is one sum along K and then the ranks of plus, always in the same order: it
/// depends on its row of a and its column of b alone, bit for bit.
class FmaMatmul {
 public:
  /// a, b and c in any mix of F32, F16 and BF16, b packed too; shapes as in Ops::matmul, none of them 0.
  /// round_weights: b to BF16 first.
  void run(ConstMatrixView a, WeightView b, MatrixView c, MatmulOptions options, bool round_weights,
           std::span<const LowRankTerm> plus = {});

  /// Bytes kept between calls with up to `rows` rows of a, and `side` its columns or those of c, at most.
  static Index kept_bytes(Index rows, Index side, Index threads);

  /// A thread's memory.
  struct Own {
    Scratch rounded, weights, sums;
  };

 private:
  Scratch laid_out_;
  std::vector<Own> of_threads_;
};

}  // namespace lorry::ops::cpu
