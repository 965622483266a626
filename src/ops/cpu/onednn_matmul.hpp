// ops/cpu/onednn_matmul.hpp: dense BF16 products by oneDNN, which has AMX tiles.
#pragma once
#include <memory>
#include <span>

#include "ops/ops.hpp"

namespace lorry::ops::cpu {

/// Keeps oneDNN's compiled primitives by shape between calls, which are costly, and their scratch.
///
/// Its float32 kernels (oneDNN 2.6.3, "gemm:jit" with AVX-512) must not be used: they write below the stack
/// pointer, so that a signal handler that runs on the same stack meanwhile damages what they compute, and the
/// heap.
class OneDnnMatmul {
 public:
  OneDnnMatmul();
  ~OneDnnMatmul();

  /// c = op(a) op(b) + plus or c += ...; a and b BF16, c F32 or BF16, shapes as in Ops::matmul, none of them
  /// 0.
  void run(ConstMatrixView a, ConstMatrixView b, MatrixView c, MatmulOptions options,
           std::span<const LowRankTerm> plus = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lorry::ops::cpu
