#include "nn/token_rows.hpp"

#include <algorithm>
#include <utility>

namespace lorry::nn {

namespace {

/// The columns `ids` of dy, in float32.
Matrix columns_of(ConstMatrixView dy, std::span<const std::int32_t> ids) {
  Matrix columns(dy.rows, static_cast<Index>(ids.size()));
  const auto gather = [&]<class T>(T) {
    for (Index i = 0; i < dy.rows; ++i) {
      const T* const from = dy.row<T>(i);
      std::transform(ids.begin(), ids.end(), columns.row<float>(i),
                     [from](std::int32_t id) { return to_float(from[id]); });
    }
  };
  if (dy.dtype == DType::kBF16) {
    gather(BF16{});
  } else {
    gather(float{});
  }
  return columns;
}

}  // namespace

TokenRows::TokenRows(std::vector<std::int32_t> ids, Matrix rows)
    : value(std::move(rows)), ids_(std::move(ids)) {
  LORRY_CHECK_EQ(value.rows(), static_cast<Index>(ids_.size()));
  for (const std::int32_t id : ids_) places_.emplace(id, static_cast<Index>(places_.size()));
  LORRY_CHECK_EQ(places_.size(), ids_.size());
}

Index TokenRows::place(std::int32_t token) const {
  const auto found = places_.find(token);
  return found == places_.end() ? -1 : found->second;
}

void TokenRows::embed(std::span<const std::int32_t> tokens, MatrixView x) const {
  for (Index i = 0; i < x.rows; ++i) {
    const Index row = place(tokens[static_cast<std::size_t>(i)]);
    if (row >= 0) std::copy_n(value.row<float>(row), x.cols, x.row<float>(i));
  }
}

void TokenRows::embed_backward(std::span<const std::int32_t> tokens, ConstMatrixView dx) {
  for (Index i = 0; i < dx.rows; ++i) {
    const Index row = place(tokens[static_cast<std::size_t>(i)]);
    if (row < 0) continue;
    float* const to = gradient.row<float>(row);
    std::transform(to, to + dx.cols, dx.row<float>(i), to, [](float sum, float d) { return sum + d; });
  }
}

void TokenRows::project(ops::Ops& ops, ConstMatrixView x, MatrixView y) const {
  LORRY_CHECK(y.dtype == DType::kF32);
  Matrix z(x.rows, value.rows());
  ops.low_rank_project(x, value, 1.0F, z);
  for (Index i = 0; i < y.rows; ++i) {
    float* const to = y.row<float>(i);
    const float* from = z.row<float>(i);
    for (const std::int32_t id : ids_) to[id] = *from++;
  }
}

void TokenRows::project_backward(ops::Ops& ops, ConstMatrixView x, ConstMatrixView dy, WeightView table,
                                 MatrixView dx) {
  const Matrix dz = columns_of(dy, ids_);
  if (trains()) ops.low_rank_outer_add(dz, x, gradient);
  if (dx.empty()) return;
  Matrix moved(value.rows(), value.cols());  // value - the table's own rows, by which dx went so far
  ops.embedding(table, ids_, moved);
  float* const values = moved.row<float>(0);
  std::transform(values, values + moved.size(), value.row<float>(0), values,
                 [](float own, float now) { return now - own; });
  ops.low_rank_expand_add(dz, moved, dx);
}

}  // namespace lorry::nn
