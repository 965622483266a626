#include "nn/attention.hpp"

#include <algorithm>
#include <utility>

namespace lorry::nn {

SelfAttention::SelfAttention(Parts parts, ops::AttentionShape shape)
    : parts_(std::move(parts)), shape_(shape) {
  Index columns = 0;
  for (const Linear& linear : parts_.qkv) columns += linear.outputs();
  LORRY_CHECK_EQ(columns, q_width() + 2 * k_width());
  LORRY_CHECK_EQ(parts_.output.inputs(), q_width());
}

std::vector<Linear*> SelfAttention::linears() {
  std::vector<Linear*> all;
  for (Linear& linear : parts_.qkv) all.push_back(&linear);
  all.push_back(&parts_.output);
  return all;
}

bool SelfAttention::trains() const {
  const bool norms = (parts_.q_norm && parts_.q_norm->trains()) || (parts_.k_norm && parts_.k_norm->trains());
  return norms || parts_.output.trains() ||
         std::any_of(parts_.qkv.begin(), parts_.qkv.end(),
                     [](const Linear& linear) { return linear.trains(); });
}

void SelfAttention::project(const Context& context, ConstMatrixView x, ConstMatrixView rope,
                            std::span<const std::int32_t> positions, Cache& cache, Scratch& scratch) const {
  cache.qkv.reshape(x.rows, q_width() + 2 * k_width(), context.compute);
  cache.qkv_update.resize(parts_.qkv.size());
  const MatrixView qkv = cache.qkv;
  Index column = 0;
  for (std::size_t i = 0; i < parts_.qkv.size(); ++i) {
    const Linear& linear = parts_.qkv[i];
    linear.forward(context, x, false, cache.qkv_update[i], scratch.linear,
                   qkv.col_range(column, linear.outputs()));
    column += linear.outputs();
  }
  if (parts_.q_norm) {
    const MatrixView qk = qkv.col_range(0, q_width() + k_width());
    cache.qk_raw.reshape(qk.rows, qk.cols, qk.dtype);
    context.ops.copy(qk, cache.qk_raw);
    const MatrixView raw = cache.qk_raw;
    parts_.q_norm->forward(context, raw.col_range(0, q_width()), qk.col_range(0, q_width()));
    parts_.k_norm->forward(context, raw.col_range(q_width(), k_width()), qk.col_range(q_width(), k_width()));
  }
  if (!rope.empty()) {
    context.ops.rope(rope, positions, shape_.head_dim, false, qkv.col_range(0, q_width() + k_width()));
  }
}

void SelfAttention::forward(const Context& context, ConstMatrixView x, ConstMatrixView rope,
                            const Sequence& sequence, Cache& cache, Scratch& scratch, MatrixView y) const {
  project(context, x, rope, sequence.positions, cache, scratch);
  cache.out.reshape(x.rows, q_width(), context.compute);
  cache.lse.reshape(x.rows, shape_.heads, DType::kF32);
  const MatrixView qkv = cache.qkv;
  context.ops.attention(qkv.col_range(0, q_width()), qkv.col_range(q_width(), k_width()),
                        qkv.col_range(q_width() + k_width(), k_width()), sequence.documents(), shape_,
                        cache.out, cache.lse);
  parts_.output.forward(context, cache.out, true, cache.output_update, scratch.linear, y);
}

void SelfAttention::backward(const Context& context, ConstMatrixView x, ConstMatrixView rope,
                             const Sequence& sequence, ConstMatrixView dy, const Cache& cache,
                             Scratch& scratch, MatrixView dx) const {
  const Index q = q_width();
  const Index k = k_width();
  scratch.d_out.reshape(x.rows, q, context.compute);
  scratch.d_qkv.reshape(x.rows, q + 2 * k, context.compute);
  parts_.output.backward(context, cache.out, dy, cache.output_update, false, scratch.linear, scratch.d_out);
  const ConstMatrixView qkv = cache.qkv;
  const MatrixView d_qkv = scratch.d_qkv;
  context.ops.attention_backward(qkv.col_range(0, q), qkv.col_range(q, k), qkv.col_range(q + k, k), cache.out,
                                 cache.lse, scratch.d_out, sequence.documents(), shape_,
                                 d_qkv.col_range(0, q), d_qkv.col_range(q, k), d_qkv.col_range(q + k, k));
  const MatrixView d_qk = d_qkv.col_range(0, q + k);
  if (!rope.empty()) context.ops.rope(rope, sequence.positions, shape_.head_dim, true, d_qk);
  if (parts_.q_norm) {
    const ConstMatrixView raw = cache.qk_raw;
    const MatrixView dq = d_qk.col_range(0, q);
    const MatrixView dk = d_qk.col_range(q, k);
    parts_.q_norm->backward(context, raw.col_range(0, q), dq, false, dq);
    parts_.k_norm->backward(context, raw.col_range(q, k), dk, false, dk);
  }
  Index column = 0;
  for (std::size_t i = 0; i < parts_.qkv.size(); ++i) {
    const Linear& linear = parts_.qkv[i];
    linear.backward(context, x, d_qkv.col_range(column, linear.outputs()), cache.qkv_update[i], i > 0,
                    scratch.linear, dx);
    column += linear.outputs();
  }
}

void SelfAttention::forward_cached(const Context& context, ConstMatrixView x, ConstMatrixView rope,
                                   const Extension& extension, KeyValueCache& past, Cache& cache,
                                   Scratch& scratch, MatrixView y) const {
  project(context, x, rope, extension.positions, cache, scratch);
  cache.out.reshape(x.rows, q_width(), context.compute);
  const ops::Documents& documents = extension.documents;
  LORRY_CHECK(documents.keys.back() <= past.keys.rows());
  const MatrixView qkv = cache.qkv;
  const MatrixView k = qkv.col_range(q_width(), k_width());
  const MatrixView v = qkv.col_range(q_width() + k_width(), k_width());
  for (std::size_t d = 0; d + 1 < documents.queries.size(); ++d) {
    const Index first = documents.queries[d];
    const Index count = documents.queries[d + 1] - first;
    if (count == 0) continue;
    const Index row = documents.keys[d + 1] - count;
    context.ops.copy(k.row_range(first, count), past.keys.view().row_range(row, count));
    context.ops.copy(v.row_range(first, count), past.values.view().row_range(row, count));
  }
  context.ops.attention(qkv.col_range(0, q_width()), past.keys, past.values, documents, shape_, cache.out,
                        {});
  parts_.output.forward(context, cache.out, true, cache.output_update, scratch.linear, y);
}

}  // namespace lorry::nn
