// Forward pass. A task is one block of queries of one document and one key/value head, with all query heads
// that read it, so that keys and values are widened once for the group. Tasks write disjoint outputs and run
// the same way whichever thread takes them.
#include "ops/cpu/attention.hpp"

#include <hwy/aligned_allocator.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "ops/cpu/attention_tasks.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/attention.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/attention_blocks-inl.hpp"
#include "ops/cpu/attention_few-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

constexpr Index kFewQueries = 4;    // up to these, most of a vector of queries would be empty
constexpr float kNoScore = -1e30F;  // below any score, yet finite: -inf - -inf would be NaN

/// What one query head of a task carries from key block to key block.
template <class Number>
struct HeadState {
  Number* queries;  // [head_dim, width], transposed
  float* out;       // [block, head_width], not yet divided by `sum`
  float* top;       // [width] largest score so far
  float* sum;       // [width] of 2^(score - top)
};

/// A thread's panels, allocated once per call. `factor`: scale * log2(e), since exponentials are powers of
/// two.
template <class Number>
class ForwardScratch {
 public:
  ForwardScratch(Index heads, const AttentionShape& shape)
      : factor(shape.scale * kLog2E), head_width_(round_up(shape.head_dim)), heads_(heads) {
    const Index panels = (heads * 2 + 2) * kQueryBlock * head_width_;
    const Index rows = (heads * 2 + 1) * kQueryBlock + kKeyBlock * kQueryBlock;
    memory_ = hwy::AllocateAligned<float>(static_cast<std::size_t>(panels + rows));
    float* next = memory_.get();
    const auto take = [&next](Index size) {
      next += size;
      return next - size;
    };
    const Index panel = kQueryBlock * head_width_;
    keys = reinterpret_cast<Number*>(take(panel));
    values = reinterpret_cast<Number*>(take(panel));
    scores = take(kKeyBlock * kQueryBlock);
    shrink = take(kQueryBlock);
    for (Index g = 0; g < heads_; ++g) {
      states_.push_back(
          {reinterpret_cast<Number*>(take(panel)), take(panel), take(kQueryBlock), take(kQueryBlock)});
    }
  }

  [[nodiscard]] const HeadState<Number>& head(Index g) const { return states_[static_cast<std::size_t>(g)]; }
  [[nodiscard]] Index head_width() const { return head_width_; }

  float factor;
  Number* keys;    // [block, head_width], along rows
  Number* values;  // [block, head_width], along columns
  float* scores;   // [keys, width]; then the exponentials, in numbers along the keys
  float* shrink;   // [width] 2^(old top - new top)

 private:
  Index head_width_;
  Index heads_;
  std::vector<HeadState<Number>> states_;
  hwy::AlignedFreeUniquePtr<float[]> memory_;
};

/// One vector of queries: scores become exponentials (zero where unseen), top and sum are brought up to date.
template <class Number>
HWY_INLINE void softmax_vector(const ScoreBlock& block, Index i, Index width, const HeadState<Number>& head,
                               float factor, float* scores, float* shrink) {
  const Index first = block.first_key(i);
  const Index last = block.last_key(i, kLanes);
  const Index inner = std::clamp(block.first_common_key(i, kLanes), first, last);
  const Index outer = std::clamp(block.last_common_key(i), inner, last);
  float* column = scores + i;
  FloatVec largest = splat(-HUGE_VALF);
  const auto mask_keys = [&](Index from, Index to) HWY_ATTR {
    for (Index j = from; j < to; ++j) {
      const FloatVec s = hn::IfThenElse(block.sees(i, j), load(column + j * width), splat(-HUGE_VALF));
      store(s, column + j * width);
      largest = hn::Max(largest, s);
    }
  };
  mask_keys(first, inner);
  for (Index j = inner; j < outer; ++j) largest = hn::Max(largest, load(column + j * width));
  mask_keys(outer, last);

  const FloatVec old_top = load(head.top + i);
  const FloatVec top = hn::Max(old_top, hn::Mul(largest, splat(factor)));
  const FloatVec shrunk = exp2_of_scores(hn::Sub(old_top, top));
  FloatVec sum = hn::Mul(load(head.sum + i), shrunk);
  const auto exponential = [&](Index j) HWY_ATTR {
    if (j < first || j >= last) return splat(0.0F);
    const FloatVec p = exp2_of_scores(hn::MulSub(load(column + j * width), splat(factor), top));
    sum = hn::Add(sum, p);
    return p;
  };
  if constexpr (kAlong<Number> == 2) {
    // Row j / 2 of the pairs comes after rows j and j + 1 of the scores were read.
    for (Index j = 0; j < block.keys; j += 2) {
      const WordVec p = to_bf16_words(exponential(j));
      store_pairs(p, to_bf16_words(exponential(j + 1)), reinterpret_cast<Pair*>(column + j / 2 * width));
    }
  } else {
    for (Index j = 0; j < block.keys; ++j) store(exponential(j), column + j * width);
  }
  store(top, head.top + i);
  store(sum, head.sum + i);
  store(shrunk, shrink + i);
}

/// Takes one block of keys into account for one head.
template <class Number>
void add_key_block(const ScoreBlock& block, Index head_dim, bool first, const HeadState<Number>& head,
                   ForwardScratch<Number>& scratch) {
  const Index width = round_up(block.queries);
  const Index head_width = scratch.head_width();
  multiply_scores(block, scratch.keys, head_width, head_dim, head.queries, width, scratch.scores);
  for (Index i = 0; i < width; i += kLanes) {
    softmax_vector(block, i, width, head, scratch.factor, scratch.scores, scratch.shrink);
  }
  for (Index i = 0; !first && i < block.queries; ++i) {
    if (scratch.shrink[i] == 1.0F) continue;  // no larger score in this block
    for (Index d = 0; d < head_width; d += kLanes) {
      float* out = head.out + i * head_width + d;
      store(hn::Mul(load(out), splat(scratch.shrink[i])), out);
    }
  }
  multiply_by_keys(block, reinterpret_cast<const Number*>(scratch.scores), width, scratch.values, head_width,
                   !first, head.out);
}

/// Takes the task's queries of every head of the group.
template <class Number>
void start_heads(const AttentionTask& task, ConstMatrixView q, const AttentionShape& shape,
                 ForwardScratch<Number>& scratch) {
  const Index group = shape.heads / shape.kv_heads;
  const Index width = round_up(task.queries);
  for (Index g = 0; g < group; ++g) {
    const HeadState<Number>& head = scratch.head(g);
    const Index col = (task.kv_head * group + g) * shape.head_dim;
    pack_turned(q, task.query_row, task.queries, col, shape.head_dim, width, head.queries);
    std::fill_n(head.top, width, kNoScore);
    std::fill_n(head.sum, width, 0.0F);
  }
}

template <class Number>
void finish_heads(const AttentionTask& task, const AttentionShape& shape, ForwardScratch<Number>& scratch,
                  MatrixView out, MatrixView lse) {
  const Index group = shape.heads / shape.kv_heads;
  const Index head_width = scratch.head_width();
  for (Index g = 0; g < group; ++g) {
    const HeadState<Number>& head = scratch.head(g);
    const Index h = task.kv_head * group + g;
    for (Index i = 0; i < task.queries; ++i) {
      unpack(head.out + i * head_width, head_width, 1.0F / head.sum[i], task.query_row + i, 1,
             h * shape.head_dim, shape.head_dim, out);
      if (!lse.empty()) {
        lse.row<float>(task.query_row + i)[h] = kLn2 * head.top[i] + std::log(head.sum[i]);
      }
    }
  }
}

template <class Number>
void run_forward_task(const AttentionTask& task, ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                      const AttentionShape& shape, ForwardScratch<Number>& scratch, MatrixView out,
                      MatrixView lse) {
  start_heads(task, q, shape, scratch);
  const Index begin = shape.window == 0 ? 0 : std::max<Index>(0, task.position - shape.window + 1);
  const Index end = task.position + task.queries;
  const Index col = task.kv_head * shape.head_dim;
  for (Index key = begin; key < end; key += kKeyBlock) {
    const ScoreBlock block{task.queries, std::min(kKeyBlock, end - key), task.position - key, shape.window};
    task.keys.for_each_piece(key, block.keys, [&](Index row, Index rows, Index place) HWY_ATTR {
      const Index width = scratch.head_width();
      pack(k, row, rows, col, shape.head_dim, width, scratch.keys + place * width / kAlong<Number>);
      pack_columns(v, row, rows, col, shape.head_dim, width, place, scratch.values);
    });
    for (Index g = 0; g < shape.heads / shape.kv_heads; ++g) {
      add_key_block(block, shape.head_dim, key == begin, scratch.head(g), scratch);
    }
  }
  finish_heads(task, shape, scratch, out, lse);
}

template <class Number>
void attention_forward_by(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v, const Documents& documents,
                          const AttentionShape& shape, MatrixView out, MatrixView lse) {
  const std::vector<AttentionTask> tasks = forward_tasks(documents, shape.kv_heads, kQueryBlock);
  const auto count = static_cast<Index>(tasks.size());
  const auto is_block = [](const AttentionTask& task) { return task.queries > kFewQueries; };
  const bool any_block = std::ranges::any_of(tasks, is_block);  // generation has none, and runs often
#pragma omp parallel if (count > 1)
  {
    std::optional<ForwardScratch<Number>> scratch;
    if (any_block) scratch.emplace(shape.heads / shape.kv_heads, shape);
#pragma omp for schedule(dynamic, 1)
    for (Index t = 0; t < count; ++t) {
      const AttentionTask& task = tasks[static_cast<std::size_t>(t)];
      if (is_block(task)) {
        run_forward_task(task, q, k, v, shape, *scratch, out, lse);
      } else {
        run_few_queries(task, q, k, v, shape, out, lse);
      }
    }
  }
}

void attention_forward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v, const Documents& documents,
                       const AttentionShape& shape, MatrixView out, MatrixView lse) {
  pairs_serve({q, k, v}) ? attention_forward_by<Pair>(q, k, v, documents, shape, out, lse)
                         : attention_forward_by<float>(q, k, v, documents, shape, out, lse);
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lorry::ops::cpu {
HWY_EXPORT(attention_forward);

void attention(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v, const Documents& documents,
               const AttentionShape& shape, MatrixView out, MatrixView lse) {
  check_attention(q, k, v, documents, shape);
  LORRY_CHECK_EQ(out.rows, q.rows);
  LORRY_CHECK_EQ(out.cols, q.cols);
  if (!lse.empty()) {
    LORRY_CHECK_EQ(lse.rows, q.rows);
    LORRY_CHECK_EQ(lse.cols, shape.heads);
  }
  HWY_DYNAMIC_DISPATCH(attention_forward)(q, k, v, documents, shape, out, lse);
}

}  // namespace lorry::ops::cpu
#endif
