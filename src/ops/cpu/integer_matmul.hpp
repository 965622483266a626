// ops/cpu/integer_matmul.hpp: products with int8 weights in integers, which a processor makes twice as many
// of as of float32 ones. docs/math/int8.md.
#pragma once
#include <span>
#include <vector>

#include "ops/cpu/scratch.hpp"
#include "ops/ops.hpp"
#include "tensor/weight_view.hpp"

namespace lorry::ops::cpu {

/// c (+)= a op(b) + plus for b [O,I] in BlockFormat::kInt8, its rows' scales being those of LLM.int8(). Rows
/// of a are rounded to 7 bits with a scale for every 128 elements of a row, so that an outlier costs those
/// beside it digits and nobody else; where b's rows lie along K, its scales are multiplied into a first. Sums
/// over 128 are exact, sums of these run in float32, in order: an element of c depends on its row of a and
/// its column of op(b) alone, bit for bit. A row of a that is not finite gives a row of NaN.
class IntegerMatmul {
 public:
  /// a and c F32, F16 or BF16; shapes as in Ops::matmul, none of them 0. options.transpose_a must not be set.
  void run(ConstMatrixView a, WeightView b, MatrixView c, MatmulOptions options,
           std::span<const LowRankTerm> plus = {});

  /// Bytes kept between calls with up to `rows` rows of a, and `side` its columns or those of c, at most.
  static Index kept_bytes(Index rows, Index side, Index threads);

  /// A thread's memory.
  struct Own {
    Scratch weights, sums, turned;
  };

 private:
  Scratch laid_out_, factors_;
  std::vector<Own> of_threads_;
};

}  // namespace lorry::ops::cpu
