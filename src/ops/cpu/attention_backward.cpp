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

/// A thread's panels, for documents that see up to `keys` keys; those with a row for each of these come
/// first, the others have one block of rows.
template <class Number>
class BackwardScratch {
 public:
  BackwardScratch(Index keys, const AttentionShape& shape)
      : head_width(round_up(shape.head_dim)), factor(shape.scale * kLog2E) {
    constexpr bool kPairs = kAlong<Number> == 2;
    const Index whole = (keys + kKeyBlock) * head_width;
    const Index panel = kQueryBlock * head_width;
    const Index square = kQueryBlock * kKeyBlock;
    const Index floats = 2 * whole + panel + 2 * square + 2 * kQueryBlock;
    const Index elements = (kPairs ? 3 : 2) * whole + 4 * panel + (kPairs ? square : 0);
    memory_ = hwy::AllocateAligned<float>(static_cast<std::size_t>(floats + elements / kAlong<Number>));
    float* next = memory_.get();
    const auto numbers = [&next](Index count) {
      return reinterpret_cast<Number*>(std::exchange(next, next + count / kAlong<Number>));
    };
    for (float** of : {&dk, &dv}) *of = std::exchange(next, next + whole);
    k = numbers(whole);
    v = numbers(whole);
    k_columns = kPairs ? numbers(whole) : k;
    dq = std::exchange(next, next + panel);
    for (Number** of : {&q, &dout, &q_turned, &dout_turned}) *of = numbers(panel);
    for (float** of : {&p, &ds}) *of = std::exchange(next, next + square);
    ds_along_keys = kPairs ? numbers(square) : reinterpret_cast<Number*>(ds);
    for (float** of : {&lse, &delta}) *of = std::exchange(next, next + kQueryBlock);
  }

  Index head_width;
  float factor;  // scale * log2(e), since probabilities are powers of two
  float* dk;     // [keys, head_width], as dv, k, v, k_columns
  float* dv;
  Number* k;  // along rows, as v
  Number* v;
  Number* k_columns;  // along columns: the same where numbers are floats
  float* dq;          // [queries, head_width], as q, dout
  Number* q;          // along columns, as dout
  Number* dout;
  Number* q_turned;  // [head_dim, width], as dout_turned
  Number* dout_turned;
  float* p;               // [keys, width] scores, then probabilities, in numbers along the queries
  float* ds;              // [keys, width] gradients of the probabilities, then of the scores, as well
  Number* ds_along_keys;  // the same along the keys
  float* lse;             // [width], times log2(e)
  float* delta;           // [width] rowsum(dout * out)

 private:
  hwy::AlignedFreeUniquePtr<float[]> memory_;
};

/// One vector of queries: p = 2^(score - lse), ds = p (dp - delta); zero where unseen.
template <class Number>
HWY_INLINE void score_gradients(const ScoreBlock& block, Index i, Index width,
                                const BackwardScratch<Number>& s) {
  const Index first = block.first_key(i);
  const Index last = block.last_key(i, kLanes);
  const Index inner = std::clamp(block.first_common_key(i, kLanes), first, last);
  const Index outer = std::clamp(block.last_common_key(i), inner, last);
  const FloatVec lse = load(s.lse + i);
  const FloatVec delta = load(s.delta + i);
  struct Gradients {
    FloatVec p, ds;
  };
  const auto of_key = [&](Index j) HWY_ATTR -> Gradients {
    if (j < first || j >= last) return {splat(0.0F), splat(0.0F)};
    const Index at = j * width + i;
    const FloatVec p = exp2_of_scores(hn::MulSub(load(s.p + at), splat(s.factor), lse));
    const FloatVec ds = hn::Mul(p, hn::Sub(load(s.ds + at), delta));
    if (j >= inner && j < outer) return {p, ds};
    const auto seen = block.sees(i, j);
    return {hn::IfThenElseZero(seen, p), hn::IfThenElseZero(seen, ds)};
  };
  if constexpr (kAlong<Number> == 1) {
    for (Index j = 0; j < block.keys; ++j) {
      const Gradients of = of_key(j);
      store(of.p, s.p + j * width + i);
      store(of.ds, s.ds + j * width + i);
    }
  } else {
    // Rows of BF16 take half the room of those of floats, which other vectors still have to read: each begins
    // where its own did.
    const auto halves = [&](float* square, Index j) {
      return reinterpret_cast<BF16*>(square + j * width) + i;
    };
    for (Index j = 0; j < block.keys; j += 2) {
      const Gradients even = of_key(j);
      const Gradients odd = of_key(j + 1);
      const WordVec ds_even = to_bf16_words(even.ds);
      const WordVec ds_odd = to_bf16_words(odd.ds);
      store_halves(to_bf16_words(even.p), halves(s.p, j));
      store_halves(ds_even, halves(s.ds, j));
      if (j + 1 < block.keys) {
        store_halves(to_bf16_words(odd.p), halves(s.p, j + 1));
        store_halves(ds_odd, halves(s.ds, j + 1));
      }
      store_pairs(ds_even, ds_odd, s.ds_along_keys + j / 2 * width + i);
    }
  }
}

/// Adds the gradients of one block of scores to dq, dk and dv. `key`: the block's first one of the document's
/// keys.
template <class Number>
void add_score_block(const ScoreBlock& block, Index key, Index head_dim, bool first,
                     const BackwardScratch<Number>& s) {
  const Index width = round_up(block.queries);
  const Index offset = key * s.head_width;
  const Index number_offset = offset / kAlong<Number>;
  multiply_scores(block, s.k + number_offset, s.head_width, head_dim, s.q_turned, width, s.p);
  multiply_scores(block, s.v + number_offset, s.head_width, head_dim, s.dout_turned, width, s.ds);
  for (Index i = 0; i < width; i += kLanes) score_gradients(block, i, width, s);
  const auto along_queries = [](const float* square) { return reinterpret_cast<const Number*>(square); };
  multiply_by_queries(block, along_queries(s.p), width, s.dout, s.head_width, s.dv + offset);
  multiply_by_queries(block, along_queries(s.ds), width, s.q, s.head_width, s.dk + offset);
  multiply_by_keys(block, s.ds_along_keys, width, s.k_columns + number_offset, s.head_width, !first, s.dq);
}

/// The product of a row of two views, columns [col, col + cols).
float dot_of_rows(const ConstMatrixView& a, const ConstMatrixView& b, Index row, Index col, Index cols) {
  FloatVec sum = splat(0.0F);
  with_type(a.dtype, [&]<class A>(A /*tag*/) HWY_ATTR {
    with_type(b.dtype, [&]<class B>(B /*tag*/) HWY_ATTR {
      const A* const left = a.row<A>(row) + col;
      const B* const right = b.row<B>(row) + col;
      for_each_vector(cols, [&](Index d, Index count) HWY_ATTR {
        sum = hn::MulAdd(load(left + d, count), load(right + d, count), sum);
      });
    });
  });
  return sum_of_lanes(sum);
}

/// Takes the queries of one head and what belongs to them.
template <class Number>
void start_queries(const AttentionTask& task, Index head, const AttentionShape& shape,
                   const BackwardViews& views, const BackwardScratch<Number>& s) {
  const Index dim = shape.head_dim;
  const Index col = head * dim;
  const Index width = round_up(task.queries);
  const Index row = task.query_row;
  for (Index i = 0; i < task.queries; ++i) {
    s.delta[i] = dot_of_rows(views.out, views.dout, row + i, col, dim);
    s.lse[i] = kLog2E * views.lse.row<float>(row + i)[head];
  }
  std::fill(s.delta + task.queries, s.delta + width, 0.0F);
  std::fill(s.lse + task.queries, s.lse + width, 0.0F);
  pack_columns(views.q, row, task.queries, col, dim, s.head_width, 0, s.q);
  pack_columns(views.dout, row, task.queries, col, dim, s.head_width, 0, s.dout);
  pack_turned(views.q, row, task.queries, col, dim, width, s.q_turned);
  pack_turned(views.dout, row, task.queries, col, dim, width, s.dout_turned);
}

/// One block of queries of one head against all keys it sees.
template <class Number>
void backward_queries(const AttentionTask& task, Index head, const AttentionShape& shape,
                      const BackwardViews& views, const BackwardScratch<Number>& s) {
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

/// Takes the keys and values of a document, which are its queries' own rows, behind those of its parent.
template <class Number>
void start_keys(const AttentionTask& document, Index dim, const BackwardViews& views,
                const BackwardScratch<Number>& s) {
  const Index col = document.kv_head * dim;
  const Index place = document.keys.before;
  const Index at = place * s.head_width;
  const Index row = document.keys.own;
  pack(views.k, row, document.queries, col, dim, s.head_width, s.k + at / kAlong<Number>);
  pack(views.v, row, document.queries, col, dim, s.head_width, s.v + at / kAlong<Number>);
  if constexpr (kAlong<Number> == 2)
    pack_columns(views.k, row, document.queries, col, dim, s.head_width, place, s.k_columns);
  std::fill_n(s.dk + at, document.queries * s.head_width, 0.0F);
  std::fill_n(s.dv + at, document.queries * s.head_width, 0.0F);
}

/// All queries of a document.
template <class Number>
void backward_document(const AttentionTask& document, const AttentionShape& shape, const BackwardViews& views,
                       const BackwardScratch<Number>& s) {
  const Index group = shape.heads / shape.kv_heads;
  for (Index first = 0; first < document.queries; first += kQueryBlock) {
    AttentionTask block = document;
    block.query_row += first;
    block.position += first;
    block.queries = std::min(kQueryBlock, document.queries - first);
    for (Index g = 0; g < group; ++g) backward_queries(block, document.kv_head * group + g, shape, views, s);
  }
}

/// Hands over the gradients of what start_keys() took.
template <class Number>
void finish_keys(const AttentionTask& document, const AttentionShape& shape, const BackwardViews& views,
                 const BackwardScratch<Number>& s) {
  const Index dim = shape.head_dim;
  const Index col = document.kv_head * dim;
  const Index at = document.keys.before * s.head_width;
  unpack(s.dk + at, s.head_width, shape.scale, document.keys.own, document.queries, col, dim, views.dk);
  unpack(s.dv + at, s.head_width, 1.0F, document.keys.own, document.queries, col, dim, views.dv);
}

/// The branches one after the other in the same room, behind the root, whose gradients they add to.
template <class Number>
void run_backward_task(const AttentionTree& tree, const AttentionShape& shape, const BackwardViews& views,
                       const BackwardScratch<Number>& s) {
  const auto backward_own = [&](const AttentionTask& document) {
    backward_document(document, shape, views, s);
    finish_keys(document, shape, views, s);
  };
  start_keys(tree.root, shape.head_dim, views, s);
  for (const AttentionTask& branch : tree.branches) {
    start_keys(branch, shape.head_dim, views, s);
    backward_own(branch);
  }
  backward_own(tree.root);
}

template <class Number>
void attention_backward_by(const Documents& documents, const AttentionShape& shape,
                           const BackwardViews& views) {
  Index longest = 0;
  for (std::size_t d = 0; d + 1 < documents.keys.size(); ++d) {
    longest = std::max(longest, documents.keys_seen(d));
  }
  const std::vector<AttentionTree> trees = backward_tasks(documents, shape.kv_heads);
  const auto count = static_cast<Index>(trees.size());
#pragma omp parallel if (count > 1)
  {
    const BackwardScratch<Number> scratch(longest, shape);
#pragma omp for schedule(dynamic, 1)
    for (Index t = 0; t < count; ++t) {
      run_backward_task(trees[static_cast<std::size_t>(t)], shape, views, scratch);
    }
  }
}

void attention_backward_all(const Documents& documents, const AttentionShape& shape, ConstMatrixView q,
                            ConstMatrixView k, ConstMatrixView v, ConstMatrixView out, ConstMatrixView lse,
                            ConstMatrixView dout, MatrixView dq, MatrixView dk, MatrixView dv) {
  const BackwardViews views{q, k, v, out, lse, dout, dq, dk, dv};
  pairs_serve({q, k, v, dout}) ? attention_backward_by<Pair>(documents, shape, views)
                               : attention_backward_by<float>(documents, shape, views);
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
