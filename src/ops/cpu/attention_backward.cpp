// Backward pass, with the probabilities recomputed from the scores and lse. A task is a whole document, with
// those whose parent it is, and one key/value head: it alone owns that head's dk and dv rows, so sums have
// one order whatever the threads. Within it query blocks follow each other, and dk, dv gather in float32
// beside the widened keys and values.
#include <hwy/aligned_allocator.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "ops/cpu/attention.hpp"
#include "ops/cpu/attention_tasks.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/attention_backward.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/attention_blocks-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

/// The operands of the pass, by their names in ops.hpp.
struct BackwardViews {
  ConstMatrixView q, k, v, out, lse, dout;
  MatrixView dq, dk, dv;
};

/// A thread's panels, for documents that see up to `keys` keys. All but the first four have one block of
/// rows.
class BackwardScratch {
 public:
  BackwardScratch(Index keys, Index head_dim) : head_width(round_up(head_dim)) {
    const Index whole = (keys + kKeyBlock) * head_width;
    const Index panel = kQueryBlock * head_width;
    const Index square = kQueryBlock * kKeyBlock;
    const Index total = 4 * whole + 5 * panel + 2 * square + 2 * kQueryBlock;
    memory_ = hwy::AllocateAligned<float>(static_cast<std::size_t>(total));
    float* next = memory_.get();
    for (float** of : {&k, &v, &dk, &dv}) *of = std::exchange(next, next + whole);
    for (float** of : {&q, &dout, &dq, &q_columns, &dout_columns}) *of = std::exchange(next, next + panel);
    for (float** of : {&p, &ds}) *of = std::exchange(next, next + square);
    for (float** of : {&lse, &delta}) *of = std::exchange(next, next + kQueryBlock);
  }

  Index head_width;
  float* k;  // [keys, head_width], as v, dk, dv
  float* v;
  float* dk;
  float* dv;
  float* q;  // [queries, head_width], times the scale of scores; as dout, dq
  float* dout;
  float* dq;
  float* q_columns;     // [head_dim, width], times scale * log2(e)
  float* dout_columns;  // [head_dim, width]
  float* p;             // [keys, width] scores, then probabilities
  float* ds;            // [keys, width] gradients of the probabilities, then of the scores
  float* lse;           // [width], times log2(e)
  float* delta;         // [width] rowsum(dout * out)

 private:
  hwy::AlignedFreeUniquePtr<float[]> memory_;
};

/// One vector of queries: p = 2^(score - lse), ds = p (dp - delta); zero where unseen.
HWY_INLINE void score_gradients(const ScoreBlock& block, Index i, Index width, const BackwardScratch& s) {
  const Index first = block.first_key(i);
  const Index last = block.last_key(i, kLanes);
  const Index inner = std::clamp(block.first_common_key(i, kLanes), first, last);
  const Index outer = std::clamp(block.last_common_key(i), inner, last);
  const FloatVec lse = load(s.lse + i);
  const FloatVec delta = load(s.delta + i);
  for (Index j = 0; j < block.keys; ++j) {
    float* p_at = s.p + j * width + i;
    float* ds_at = s.ds + j * width + i;
    if (j < first || j >= last) {
      store(splat(0.0F), p_at);
      store(splat(0.0F), ds_at);
      continue;
    }
    FloatVec p = exp2_of_scores(hn::Sub(load(p_at), lse));
    FloatVec ds = hn::Mul(p, hn::Sub(load(ds_at), delta));
    if (j < inner || j >= outer) {
      const auto seen = block.sees(i, j);
      p = hn::IfThenElseZero(seen, p);
      ds = hn::IfThenElseZero(seen, ds);
    }
    store(p, p_at);
    store(ds, ds_at);
  }
}

/// Adds the gradients of one block of scores to dq, dk and dv. `key`: the block's first one of the document's
/// keys.
void add_score_block(const ScoreBlock& block, Index key, Index head_dim, bool first,
                     const BackwardScratch& s) {
  const Index width = round_up(block.queries);
  const Index offset = key * s.head_width;
  multiply_scores(block, s.k + offset, s.head_width, head_dim, s.q_columns, width, s.p);
  multiply_scores(block, s.v + offset, s.head_width, head_dim, s.dout_columns, width, s.ds);
  for (Index i = 0; i < width; i += kLanes) score_gradients(block, i, width, s);
  multiply_by_queries(block, s.p, width, s.dout, s.head_width, s.dv + offset);
  multiply_by_queries(block, s.ds, width, s.q, s.head_width, s.dk + offset);
  multiply_by_keys(block, s.ds, width, s.k + offset, s.head_width, !first, s.dq);
}

/// Widens the queries of one head and what belongs to them.
void start_queries(const AttentionTask& task, Index head, const AttentionShape& shape,
                   const BackwardViews& views, const BackwardScratch& s) {
  const Index dim = shape.head_dim;
  const Index col = head * dim;
  const Index width = round_up(task.queries);
  const Index row = task.query_row;
  pack(views.out, row, task.queries, col, dim, 1.0F, s.head_width, s.dq);  // dq is free until the first block
  pack(views.dout, row, task.queries, col, dim, 1.0F, s.head_width, s.dout);
  for (Index i = 0; i < task.queries; ++i) {
    FloatVec sum = splat(0.0F);
    for (Index d = 0; d < s.head_width; d += kLanes) {
      sum = hn::MulAdd(load(s.dq + i * s.head_width + d), load(s.dout + i * s.head_width + d), sum);
    }
    s.delta[i] = sum_of_lanes(sum);
    s.lse[i] = kLog2E * views.lse.row<float>(row + i)[head];
  }
  std::fill(s.delta + task.queries, s.delta + width, 0.0F);
  std::fill(s.lse + task.queries, s.lse + width, 0.0F);
  pack(views.q, row, task.queries, col, dim, shape.scale, s.head_width, s.q);
  transpose_panel(s.q, task.queries, dim, s.head_width, kLog2E, width, s.q_columns);
  transpose_panel(s.dout, task.queries, dim, s.head_width, 1.0F, width, s.dout_columns);
}

/// One block of queries of one head against all keys it sees.
void backward_queries(const AttentionTask& task, Index head, const AttentionShape& shape,
                      const BackwardViews& views, const BackwardScratch& s) {
  start_queries(task, head, shape, views, s);
  const Index reach = shape.window == 0 ? 0 : std::max<Index>(0, task.position - shape.window + 1);
  const Index begin = reach / kKeyBlock * kKeyBlock;
  const Index end = task.position + task.queries;
  for (Index key = begin; key < end; key += kKeyBlock) {
    const ScoreBlock block{task.queries, std::min(kKeyBlock, end - key), task.position - key, shape.window};
    add_score_block(block, key, shape.head_dim, key == begin, s);
  }
  unpack(s.dq, s.head_width, shape.scale, task.query_row, task.queries, head * shape.head_dim, shape.head_dim,
         views.dq);
}

/// Widens the keys and values of a document, which are its queries' own rows, behind those of its parent.
void start_keys(const AttentionTask& document, Index dim, const BackwardViews& views,
                const BackwardScratch& s) {
  const Index col = document.kv_head * dim;
  const Index at = document.keys.before * s.head_width;
  pack(views.k, document.keys.own, document.queries, col, dim, 1.0F, s.head_width, s.k + at);
  pack(views.v, document.keys.own, document.queries, col, dim, 1.0F, s.head_width, s.v + at);
  std::fill_n(s.dk + at, document.queries * s.head_width, 0.0F);
  std::fill_n(s.dv + at, document.queries * s.head_width, 0.0F);
}

/// All queries of a document.
void backward_document(const AttentionTask& document, const AttentionShape& shape, const BackwardViews& views,
                       const BackwardScratch& s) {
  const Index group = shape.heads / shape.kv_heads;
  for (Index first = 0; first < document.queries; first += kQueryBlock) {
    AttentionTask block = document;
    block.query_row += first;
    block.position += first;
    block.queries = std::min(kQueryBlock, document.queries - first);
    for (Index g = 0; g < group; ++g) backward_queries(block, document.kv_head * group + g, shape, views, s);
  }
}

/// Hands over the gradients of what start_keys() widened.
void finish_keys(const AttentionTask& document, Index dim, const BackwardViews& views,
                 const BackwardScratch& s) {
  const Index col = document.kv_head * dim;
  const Index at = document.keys.before * s.head_width;
  unpack(s.dk + at, s.head_width, 1.0F, document.keys.own, document.queries, col, dim, views.dk);
  unpack(s.dv + at, s.head_width, 1.0F, document.keys.own, document.queries, col, dim, views.dv);
}

/// The branches one after the other in the same room, behind the root, whose gradients they add to.
void run_backward_task(const AttentionTree& tree, const AttentionShape& shape, const BackwardViews& views,
                       const BackwardScratch& s) {
  const auto backward_own = [&](const AttentionTask& document) {
    backward_document(document, shape, views, s);
    finish_keys(document, shape.head_dim, views, s);
  };
  start_keys(tree.root, shape.head_dim, views, s);
  for (const AttentionTask& branch : tree.branches) {
    start_keys(branch, shape.head_dim, views, s);
    backward_own(branch);
  }
  backward_own(tree.root);
}

void attention_backward_all(const Documents& documents, const AttentionShape& shape, ConstMatrixView q,
                            ConstMatrixView k, ConstMatrixView v, ConstMatrixView out, ConstMatrixView lse,
                            ConstMatrixView dout, MatrixView dq, MatrixView dk, MatrixView dv) {
  Index longest = 0;
  for (std::size_t d = 0; d + 1 < documents.keys.size(); ++d) {
    longest = std::max(longest, documents.keys_seen(d));
  }
  const BackwardViews views{q, k, v, out, lse, dout, dq, dk, dv};
  const std::vector<AttentionTree> trees = backward_tasks(documents, shape.kv_heads);
  const auto count = static_cast<Index>(trees.size());
#pragma omp parallel if (count > 1)
  {
    const BackwardScratch scratch(longest, shape.head_dim);
#pragma omp for schedule(dynamic, 1)
    for (Index t = 0; t < count; ++t) {
      run_backward_task(trees[static_cast<std::size_t>(t)], shape, views, scratch);
    }
  }
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lorry::ops::cpu {
HWY_EXPORT(attention_backward_all);

void attention_backward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v, ConstMatrixView out,
                        ConstMatrixView lse, ConstMatrixView dout, const Documents& documents,
                        const AttentionShape& shape, MatrixView dq, MatrixView dk, MatrixView dv) {
  check_attention(q, k, v, documents, shape);
  check_attention(dq, dk, dv, documents, shape);
  LORRY_CHECK(std::ranges::equal(documents.queries, documents.keys));
  LORRY_CHECK_EQ(q.rows, k.rows);
  for (const ConstMatrixView& other : {out, dout, ConstMatrixView(dq)}) {
    LORRY_CHECK_EQ(other.rows, q.rows);
    LORRY_CHECK_EQ(other.cols, q.cols);
  }
  LORRY_CHECK_EQ(dk.rows, k.rows);
  LORRY_CHECK_EQ(lse.rows, q.rows);
  LORRY_CHECK_EQ(lse.cols, shape.heads);
  HWY_DYNAMIC_DISPATCH(attention_backward_all)(documents, shape, q, k, v, out, lse, dout, dq, dk, dv);
}

}  // namespace lorry::ops::cpu
#endif
