// nn/token_rows.hpp: rows of a frozen embedding, or of a frozen head, that train: PEFT's trainable tokens.
#pragma once
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "ops/ops.hpp"

namespace lorry::nn {

/// The rows `ids` of a table [V,D] are those of `value` instead. A tied table has one such object for both
/// its uses, and gradients of both come together. Legend: n rows replaced, N rows of a batch, D width.
class TokenRows {
 public:
  TokenRows() = default;
  /// ids: distinct, below V; rows [n,D] F32.
  TokenRows(std::vector<std::int32_t> ids, Matrix rows);

  [[nodiscard]] std::span<const std::int32_t> ids() const noexcept { return ids_; }
  [[nodiscard]] bool trains() const noexcept { return !gradient.empty(); }

  /// Puts its rows in place of what the table gave: x [N,D] F32 of `tokens` [N].
  void embed(std::span<const std::int32_t> tokens, MatrixView x) const;
  /// Adds to the gradient; dx [N,D] F32.
  void embed_backward(std::span<const std::int32_t> tokens, ConstMatrixView dx);

  /// Puts x value^T in place of the columns `ids` of y = x table^T: x [N,D] of the compute type, y [N,V] F32.
  void project(ops::Ops& ops, ConstMatrixView x, MatrixView y) const;
  /// Adds to the gradient, and turns dx = dy table [N,D] (skipped when empty) into that of project's y; dy
  /// [N,V] has the compute type.
  void project_backward(ops::Ops& ops, ConstMatrixView x, ConstMatrixView dy, WeightView table,
                        MatrixView dx);

  Matrix value;     // [n,D] F32
  Matrix gradient;  // as value; empty when not training

 private:
  /// The row of `token`; -1 if the table's own stands.
  [[nodiscard]] Index place(std::int32_t token) const;

  std::vector<std::int32_t> ids_;
  std::unordered_map<std::int32_t, Index> places_;
};

}  // namespace lorry::nn
