// nn/embedding_update.hpp: a low-rank update of a frozen embedding, as PEFT's lora.Embedding.
#pragma once
#include <cstdint>
#include <span>

#include "ops/ops.hpp"

namespace lorry::nn {

/// y = table[id] + scale * A[:, id]^T B^T: delta table = scale * A^T B^T, without dropout. The tensors and
/// their gradients are float32; backward adds to the gradients. Legend: V rows of the table, D width, R rank.
struct EmbeddingUpdate {
  Index rank = 0;       // R
  float scale = 1.0F;   // alpha / rank
  Matrix a_transposed;  // [V, R]: a token's part is a row; files hold A as [R, V]
  Matrix b_transposed;  // [R, D]; files hold B as [D, R]
  Matrix a_gradient;    // as a_transposed; empty when not training
  Matrix b_gradient;    // as b_transposed; empty when not training

  [[nodiscard]] bool trains() const noexcept { return !a_gradient.empty(); }
  /// Adds the update's part to x [N,D] F32, row by row for `ids` [N].
  void forward(ops::Ops& ops, std::span<const std::int32_t> ids, MatrixView x) const;
  /// Adds to the gradients; dx [N,D] F32 is the gradient by what forward added to. Nothing is kept for it.
  void backward(ops::Ops& ops, std::span<const std::int32_t> ids, ConstMatrixView dx);

 private:
  /// [N,R] = scale * the rows of A.
  [[nodiscard]] Matrix project(ops::Ops& ops, std::span<const std::int32_t> ids) const;
};

}  // namespace lorry::nn
