// nn/mlp.hpp: the feed-forward half of a block: gated (Llama) or plain (GPT-2).
#pragma once
#include <optional>
#include <vector>

#include "nn/linear.hpp"

namespace lorry::nn {

/// Adds down(silu(gate(x)) * up(x)), or down(gelu(up(x))) when there is no gate, to y.
/// Legend: N rows, D hidden size, F intermediate size.
class Mlp {
 public:
  struct Parts {
    std::optional<Linear> gate;  // [F,D]
    Linear up;                   // [F,D]; GPT-2's c_fc
    Linear down;                 // [D,F]
  };
  struct Cache {
    Matrix gate;  // [N,F]; empty without a gate
    Matrix up;    // [N,F]
    Linear::Cache gate_update, up_update, down_update;
  };
  struct Scratch {
    Matrix activated;    // [N,F], computed again in backward: cheaper than keeping it for every block
    Matrix d_activated;  // [N,F], then the gradient by gate
    Linear::Scratch linear;
  };

  Mlp() = default;
  explicit Mlp(Parts parts) : parts_(std::move(parts)) {}

  [[nodiscard]] std::vector<Linear*> linears();
  [[nodiscard]] bool trains() const;

  /// Adds to y [N,D] F32; x [N,D] has the compute type. y may be empty: then only what backward reads is
  /// computed.
  void forward(const Context& context, ConstMatrixView x, Cache& cache, Scratch& scratch, MatrixView y) const;
  /// dy [N,D] has the compute type; dx [N,D] F32 is overwritten, or skipped when empty.
  void backward(const Context& context, ConstMatrixView x, ConstMatrixView dy, const Cache& cache,
                Scratch& scratch, MatrixView dx) const;

 private:
  void activate(const Context& context, const Cache& cache, Scratch& scratch) const;

  Parts parts_;
};

}  // namespace lorry::nn
