// ops/cpu/fma_matmul.hpp: products by multiply-adds of vectors, of floats or of pairs of BF16, with weights
// of any type. oneDNN 2.6 reaches a quarter to a half of what the cores can do without AVX-512, some four
// fifths with it, and cannot read packed weights.
#pragma once
#include <span>
#include <vector>

#include "ops/cpu/scratch.hpp"
#include "ops/ops.hpp"
#include "tensor/weight_view.hpp"

namespace lorry::ops::cpu {

/// What is multiplied, and summed in float32 in either case.
enum class FmaNumbers {
  kFloats,
  kRoundedWeights,  // floats, of b rounded to BF16
  kPairs,           // of BF16 along K: a is BF16, b is rounded to it
};

/// c (+)= op(a) op(b) + plus, cut into blocks of columns of c that one thread computes: it takes b a piece at
/// a time, as those numbers in its second-level cache, and multiplies it by all of a, which was laid out in
/// strips once. Every element of c is one sum along K and then the ranks of plus, always in the same order:
/// it depends on its row of a and its column of b alone, bit for bit.
class FmaMatmul {
 public:
  /// a, b and c in any mix of F32, F16 and BF16, b packed too; shapes as in Ops::matmul, none of them 0.
  void run(ConstMatrixView a, WeightView b, MatrixView c, MatmulOptions options, FmaNumbers numbers,
           std::span<const LowRankTerm> plus = {});

  /// Whether this CPU multiplies pairs.
  static bool has_pairs();

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
