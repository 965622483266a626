// ops/cpu/matmul.hpp: dense matrix products on oneDNN, with weights in any file type.
#pragma once
#include <memory>
#include <string>

#include "ops/ops.hpp"
#include "tensor/weight_view.hpp"

namespace lorry::ops::cpu {

/// Products of matrices in any mix of F32, F16 and BF16, b packed too; contract: Ops::matmul. Keeps what is
/// costly between calls: oneDNN's compiled primitives by shape, and at most some 50 MiB of scratch, plus a
/// copy of `a` where its type has no products on this machine, and per thread 256 unpacked columns of a
/// packed b; where TileMatmul serves, a copy of up to 1024 rows of `a` and some 2 MiB per thread. Calls from
/// several threads run one after the other.
class Matmul {
 public:
  Matmul();
  ~Matmul();

  /// c = op(a) op(b) or c += op(a) op(b).
  void run(ConstMatrixView a, WeightView b, MatrixView c, MatmulOptions options);

  /// "oneDNN 2.6.3 avx512_core_amx".
  static std::string description();
  /// Whether this machine multiplies BF16 in hardware.
  static bool fast_bf16();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lorry::ops::cpu
