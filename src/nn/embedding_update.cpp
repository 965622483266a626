#include "nn/embedding_update.hpp"

namespace lorry::nn {

Matrix EmbeddingUpdate::project(ops::Ops& ops, std::span<const std::int32_t> ids) const {
  Matrix h(static_cast<Index>(ids.size()), rank);
  ops.embedding(a_transposed, ids, h);
  for (float* value = h.row<float>(0); value != h.row<float>(0) + h.size(); ++value) *value *= scale;
  return h;
}

void EmbeddingUpdate::forward(ops::Ops& ops, std::span<const std::int32_t> ids, MatrixView x) const {
  ops.low_rank_expand_add(project(ops, ids), b_transposed, x);
}

void EmbeddingUpdate::backward(ops::Ops& ops, std::span<const std::int32_t> ids, ConstMatrixView dx) {
  ops.low_rank_outer_add(project(ops, ids), dx, b_gradient);
  Matrix dh(dx.rows, rank);
  ops.low_rank_project(dx, b_transposed, scale, dh);
  ops.embedding_backward(dh, ids, a_gradient);
}

}  // namespace lorry::nn
