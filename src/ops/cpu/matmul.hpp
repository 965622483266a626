// ops/cpu/matmul.hpp: matrix products with weights in any file type, each by the kernel that is fastest for
// it.
#pragma once
#include <memory>
#include <span>
#include <string>

#include "ops/ops.hpp"
#include "tensor/weight_view.hpp"

namespace lorry::ops::cpu {

/// Products of matrices in any mix of F32, F16 and BF16, b packed too; contract: Ops::matmul. Keeps
/// scratch between calls (kept_bytes). FmaMatmul does all of them but those of few rows, in integers, or in
/// BF16 on a CPU with AMX. Calls from several threads run one after the other.
class Matmul {
 public:
  Matmul();
  ~Matmul();

  /// c = op(a) op(b) + plus or c += op(a) op(b) + plus.
  void run(ConstMatrixView a, WeightView b, MatrixView c, MatmulOptions options);

  /// Whose products: "oneDNN 2.6.3 avx512_core_amx", "products of its own, BF16 in pairs".
  static std::string description();
  /// Ops::product_bytes.
  static Index kept_bytes(const ProductSizes& sizes, Index threads);
  /// Whether oneDNN uses no AVX-512, since this machine has none or ONEDNN_MAX_CPU_ISA forbids it.
  static bool forgoes_avx512();
  /// Whether this machine multiplies BF16 in hardware.
  static bool fast_bf16();

 private:
  /// run() of many rows where no side is 0, by the kernel for it.
  void multiply(ConstMatrixView a, WeightView b, MatrixView c, MatmulOptions options,
                std::span<const LowRankTerm> plus);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lorry::ops::cpu
