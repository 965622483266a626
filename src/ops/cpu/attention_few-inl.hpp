// cpu/attention_few-inl.hpp: attention of a few queries over many keys, as in generation with a cache. Every
// key and value is used once or a few times only, so that they are read as they lie, without panels: memory
// sets the pace.
#if defined(LORRY_OPS_CPU_ATTENTION_FEW_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LORRY_OPS_CPU_ATTENTION_FEW_INL
#undef LORRY_OPS_CPU_ATTENTION_FEW_INL
#else
#define LORRY_OPS_CPU_ATTENTION_FEW_INL
#endif

#include <hwy/cache_control.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/cpu/attention_blocks-inl.hpp"
#include "ops/cpu/attention_tasks.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

/// Keys or values of one head, one row each.
template <class T>
struct Rows {
  const T* data;
  Index stride;
  Index cols;
  [[nodiscard]] HWY_INLINE const T* row(Index i) const { return data + i * stride; }
  [[nodiscard]] HWY_INLINE Rows from(Index i) const { return {row(i), stride, cols}; }
};

template <class T>
HWY_INLINE Rows<T> head_rows(ConstMatrixView view, Index first_row, Index head, Index head_dim) {
  return {view.row<T>(first_row) + head * head_dim, view.stride, head_dim};
}

/// Asks for row i of `rows`: rows of a cache lie pages apart, where the hardware does not look ahead.
template <class T>
HWY_INLINE void prefetch_row(Rows<T> rows, Index i) {
  constexpr Index kLine = 64 / static_cast<Index>(sizeof(T));
  for (Index d = 0; d < rows.cols; d += kLine) hwy::Prefetch(rows.row(i) + d);
}

/// scores[j] = query . keys[j] for `count` keys; query is padded with zeros to whole vectors.
/// Rows of `next` are prefetched if it is there.
template <class T>
void dot_rows(const float* query, Rows<T> keys, Index count, const Rows<T>* next, float* scores) {
  Index j = 0;
  for (; j + 4 <= count; j += 4) {  // four sums hide the latency of each
    for (int r = 0; r < 4 && next != nullptr; ++r) prefetch_row(*next, j + r);
    FloatVec sum[4] = {splat(0.0F), splat(0.0F), splat(0.0F), splat(0.0F)};
    for_each_vector(keys.cols, [&](Index d, Index n) HWY_ATTR {
      const FloatVec q = load(query + d);
      for (int r = 0; r < 4; ++r) sum[r] = hn::MulAdd(q, load(keys.row(j + r) + d, n), sum[r]);
    });
    for (int r = 0; r < 4; ++r) scores[j + r] = sum_of_lanes(sum[r]);
  }
  for (; j < count; ++j) {
    FloatVec sum = splat(0.0F);
    for_each_vector(keys.cols, [&](Index d, Index n) HWY_ATTR {
      sum = hn::MulAdd(load(query + d), load(keys.row(j) + d, n), sum);
    });
    scores[j] = sum_of_lanes(sum);
  }
}

/// out[0, vectors * kLanes) = factor * out + sum_j weights[j] values[j], from column `col` on.
template <int vectors, class T>
HWY_INLINE void add_weighted_columns(const float* weights, Rows<T> values, Index count, Index col, Index tail,
                                     float factor, float* out) {
  FloatVec sum[vectors];
  for (int r = 0; r < vectors; ++r) sum[r] = hn::Mul(splat(factor), load(out + col + r * kLanes));
  for (Index j = 0; j < count; ++j) {
    const FloatVec p = splat(weights[j]);
    const T* row = values.row(j) + col;
    for (int r = 0; r < vectors; ++r) sum[r] = hn::MulAdd(p, load(row + r * kLanes, tail), sum[r]);
  }
  for (int r = 0; r < vectors; ++r) store(sum[r], out + col + r * kLanes);
}

/// out [head_width] = factor * out + weights^T values.
template <class T>
void add_weighted_rows(const float* weights, Rows<T> values, Index count, float factor, float* out) {
  Index col = 0;
  for (; col + 4 * kLanes <= values.cols; col += 4 * kLanes) {
    add_weighted_columns<4>(weights, values, count, col, kLanes, factor, out);
  }
  for (; col < values.cols; col += kLanes) {
    add_weighted_columns<1>(weights, values, count, col, std::min(kLanes, values.cols - col), factor, out);
  }
}

/// A query on its way over the keys: those it has seen have scores of at most `top`, and weights that add up
/// to `sum`.
struct RunningQuery {
  const float* query;  // [head_width], times the scale, in units of log2
  float* out;          // [head_width]: weights^T values
  float top = -HUGE_VALF;
  float sum = 0.0F;

  /// Goes on over `count` keys, at most kFewKeys; with_values: these are asked for
  /// first.
  template <class T>
  void see(Rows<T> keys, Rows<T> values, Index count, bool with_values);
  /// Ends: out = softmax values; returns lse.
  float finish(Index cols);
};

constexpr Index kFewKeys = 64;

template <class T>
void RunningQuery::see(Rows<T> keys, Rows<T> values, Index count, bool with_values) {
  float scores[kFewKeys + kLanes];
  dot_rows(query, keys, count, with_values ? &values : nullptr, scores);
  const float old_top = top;
  for (Index i = 0; i < count; ++i) top = std::max(top, scores[i]);
  std::fill_n(scores + count, kLanes, -HUGE_VALF);
  FloatVec block_sum = splat(0.0F);
  for (Index i = 0; i < count; i += kLanes) {
    const FloatVec p = exp2_of_scores(hn::Sub(load(scores + i), splat(top)));
    store(p, scores + i);
    block_sum = hn::Add(block_sum, p);
  }
  const float factor = sum == 0.0F ? 0.0F : std::exp2(old_top - top);
  sum = sum * factor + sum_of_lanes(block_sum);
  add_weighted_rows(scores, values, count, factor, out);
}

float RunningQuery::finish(Index cols) {
  const FloatVec inverse = splat(1.0F / sum);
  for (Index d = 0; d < round_up(cols); d += kLanes) store(hn::Mul(load(out + d), inverse), out + d);
  return kLn2 * top + std::log(sum);
}

/// All heads of the task's group. A block of keys and values meets all of them while it lies in the first
/// cache.
void run_few_queries(const AttentionTask& task, ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                     const AttentionShape& shape, MatrixView out, MatrixView lse) {
  const Index group = shape.heads / shape.kv_heads;
  const Index dim = shape.head_dim;
  const Index width = round_up(dim);
  std::vector<float> memory(static_cast<std::size_t>(2 * group * width));
  std::vector<RunningQuery> running(static_cast<std::size_t>(group));
  with_type(k.dtype, [&]<class T>(T /*tag*/) HWY_ATTR {
    for (Index i = 0; i < task.queries; ++i) {
      const Index row = task.query_row + i;
      const Index last = task.position + i + 1;
      const Index first = shape.window == 0 ? 0 : std::max<Index>(0, last - shape.window);
      for (Index h = 0; h < group; ++h) {
        float* const query = memory.data() + 2 * h * width;
        pack(q, row, 1, (task.kv_head * group + h) * dim, dim, width, query);
        for (Index d = 0; d < width; d += kLanes)
          store(hn::Mul(load(query + d), splat(shape.scale * kLog2E)), query + d);
        std::fill_n(query + width, width, 0.0F);
        running[static_cast<std::size_t>(h)] = {query, query + width};
      }
      task.keys.for_each_piece(first, last - first, [&](Index key_row, Index rows, Index /*place*/) HWY_ATTR {
        const Rows<T> keys = head_rows<T>(k, key_row, task.kv_head, dim);
        const Rows<T> values = head_rows<T>(v, key_row, task.kv_head, dim);
        for (Index j = 0; j < rows; j += kFewKeys) {
          const Index count = std::min(kFewKeys, rows - j);
          for (RunningQuery& one : running)
            one.see(keys.from(j), values.from(j), count, &one == &running.front());
          for (Index n = j + kFewKeys; n < std::min(rows, j + 2 * kFewKeys); ++n) prefetch_row(keys, n);
        }
      });
      for (Index h = 0; h < group; ++h) {
        RunningQuery& one = running[static_cast<std::size_t>(h)];
        const Index head = task.kv_head * group + h;
        const float log_sum = one.finish(dim);
        write_row(one.out, out, row, head * dim, dim);
        if (!lse.empty()) lse.row<float>(row)[head] = log_sum;
      }
    }
  });
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
