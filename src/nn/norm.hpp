// nn/norm.hpp: RMSNorm or LayerNorm, as the model family has it.
#pragma once
#include "nn/context.hpp"

namespace lorry::nn {

enum class NormKind { kRms, kLayer };

/// x, y [N, D]; D a multiple of the weight's width: then every group of that width is normalised by itself
/// (the per-head norms of Qwen3).
class Norm {
 public:
  struct Weights {
    ConstMatrixView weight;  // [1,D] F32
    ConstMatrixView bias;    // [1,D] F32; LayerNorm only
  };
  struct Gradients {  // F32, added to; empty: frozen
    MatrixView weight;
    MatrixView bias;
  };

  Norm() = default;
  Norm(NormKind kind, float eps, Weights weights)
      : kind_(kind), eps_(eps), own_(weights), weights_(weights) {}

  void set_gradients(Gradients gradients) { gradients_ = gradients; }
  /// Computes with these instead, which the caller owns; what is empty stays the norm's own. {}: undone.
  void set_copies(ConstMatrixView weight, ConstMatrixView bias);
  [[nodiscard]] const Weights& weights() const noexcept { return weights_; }
  [[nodiscard]] bool trains() const noexcept {
    return !gradients_.weight.empty() || !gradients_.bias.empty();
  }

  void forward(const Context& context, ConstMatrixView x, MatrixView y) const;
  /// dx = or += the gradient by x. x is that of forward: nothing else is kept, the statistics are computed
  /// again.
  void backward(const Context& context, ConstMatrixView x, ConstMatrixView dy, bool accumulate,
                MatrixView dx) const;

 private:
  NormKind kind_ = NormKind::kRms;
  float eps_ = 1e-5F;
  Weights own_;      // as constructed
  Weights weights_;  // that the norm computes with
  Gradients gradients_;
};

}  // namespace lorry::nn
