// cpu/attention_blocks-inl.hpp: what both passes of attention share: packed panels, and which keys of a block
// a query sees.
//
// Scores are held transposed, [keys, queries]: then a vector holds 16 queries, so that maxima and sums over
// keys need no shuffles, keys and values are used row by row as they lie, and only queries are transposed.
#if defined(LORRY_OPS_CPU_ATTENTION_BLOCKS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LORRY_OPS_CPU_ATTENTION_BLOCKS_INL
#undef LORRY_OPS_CPU_ATTENTION_BLOCKS_INL
#else
#define LORRY_OPS_CPU_ATTENTION_BLOCKS_INL
#endif

#include <algorithm>
#include <initializer_list>

#include "ops/cpu/matmul.hpp"
#include "ops/cpu/parallel.hpp"
#include "ops/cpu/small_gemm-inl.hpp"
#include "ops/ops.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

constexpr Index kQueryBlock = 64;
constexpr Index kKeyBlock = 64;
constexpr float kLog2E = 1.44269504F;
constexpr float kLn2 = 0.693147181F;

HWY_INLINE Index round_up(Index n) {
  return (n + kLanes - 1) / kLanes * kLanes;
}

/// Block of `queries` x `keys` scores. Query i stands at position `distance` + i, counted from the first key.
struct ScoreBlock {
  Index queries;
  Index keys;
  Index distance;
  Index window;  // 0: none

  /// Keys [first, last) that some query of [i, i + count) sees.
  [[nodiscard]] Index last_key(Index i, Index count) const {
    return std::clamp<Index>(distance + i + count, 0, keys);
  }
  [[nodiscard]] Index first_key(Index i) const {
    return window == 0 ? 0 : std::clamp<Index>(distance + i - window + 1, 0, keys);
  }
  /// Keys [.., ..) that every query of [i, i + count) sees.
  [[nodiscard]] Index last_common_key(Index i) const { return std::clamp<Index>(distance + i + 1, 0, keys); }
  [[nodiscard]] Index first_common_key(Index i, Index count) const { return first_key(i + count - 1); }
  /// The first query that sees key j or a later one.
  [[nodiscard]] Index first_query(Index j) const { return std::clamp<Index>(j - distance, 0, queries); }

  /// Which queries of the vector that starts at i see key j.
  [[nodiscard]] HWY_INLINE hn::Mask<FloatTag> sees(Index i, Index j) const {
    // Positions stay below 2^24, where float32 counts exactly; blocks far away are not visited.
    const FloatVec query = hn::Add(hn::Iota(kFloats, 0.0F), splat(static_cast<float>(distance + i)));
    const FloatVec key = splat(static_cast<float>(j));
    const auto past = hn::Le(key, query);
    if (window == 0) return past;
    return hn::And(past, hn::Lt(hn::Sub(query, key), splat(static_cast<float>(window))));
  }
};

/// out [n, width] = rows [row, row + n), columns [col, col + cols), in numbers along a row; zeros up to
/// `width` elements.
HWY_INLINE void pack(const ConstMatrixView& view, Index row, Index n, Index col, Index cols, Index width,
                     float* out) {
  with_type(view.dtype, [&]<class T>(T /*tag*/) HWY_ATTR {
    for (Index i = 0; i < n; ++i) {
      const T* from = view.row<T>(row + i) + col;
      float* to = out + i * width;
      for_each_vector(cols, [&](Index j, Index count) HWY_ATTR { store(load(from + j, count), to + j); });
    }
  });
}
HWY_INLINE void pack(const ConstMatrixView& view, Index row, Index n, Index col, Index cols, Index width,
                     Pair* out) {
  for (Index i = 0; i < n; ++i) {
    Pair* const to = out + i * width / 2;
    take_row(view.row<BF16>(row + i) + col, cols, to);
    std::fill(to + (cols + 1) / 2, to + width / 2, Pair{});
  }
}

/// out [places, width] = as much, in numbers along columns: rows from place `place` on, the last one beside
/// zeros where it has no neighbour.
HWY_INLINE void pack_columns(const ConstMatrixView& view, Index row, Index n, Index col, Index cols,
                             Index width, Index place, float* out) {
  pack(view, row, n, col, cols, width, out + place * width);
}
HWY_INLINE void pack_columns(const ConstMatrixView& view, Index row, Index n, Index col, Index cols,
                             Index width, Index place, Pair* out) {
  const auto at = [&](Index i) { return view.row<BF16>(row + i) + col; };
  Index i = 0;
  if (place % 2 != 0 && n > 0) {  // beside what is there
    Pair* const to = out + place / 2 * width;
    for (Index d = 0; d < cols; ++d) to[d].second = at(0)[d];
    i = 1;
  }
  for (; i < n; i += 2) {
    Pair* const to = out + (place + i) / 2 * width;
    take_rows(at(i), i + 1 < n ? at(i + 1) : nullptr, cols, to);
    std::fill(to + cols, to + width, Pair{});
  }
}

/// out [numbers along a row, width] = the transpose of as much, zeros up to `width` rows.
template <class Number>
HWY_INLINE void pack_turned(const ConstMatrixView& view, Index row, Index n, Index col, Index cols,
                            Index width, Number* out) {
  if constexpr (kAlong<Number> == 2) {
    turn_rows(view.row<BF16>(row) + col, view.stride, n, cols, out, width);
  } else {
    with_type(view.dtype, [&]<class T>(T /*tag*/) HWY_ATTR {
      turn_rows(view.row<T>(row) + col, view.stride, n, cols, out, width);
    });
  }
}

/// Writes scale * in [n, width] to columns [col, col + cols) of the view's rows.
HWY_INLINE void unpack(const float* in, Index width, float scale, Index row, Index n, Index col, Index cols,
                       const MatrixView& view) {
  with_type(view.dtype, [&]<class T>(T /*tag*/) HWY_ATTR {
    for (Index i = 0; i < n; ++i) {
      const float* from = in + i * width;
      T* to = view.row<T>(row + i) + col;
      for_each_vector(cols, [&](Index j, Index count)
                                HWY_ATTR { store(hn::Mul(load(from + j), splat(scale)), to + j, count); });
    }
  });
}

/// scores [keys, width] = keys [.., head_width] by turned queries [head_dim, width], where any query of the
/// tile sees any key of it; the rest stays stale.
template <class Number>
HWY_INLINE void multiply_scores(const ScoreBlock& block, const Number* keys, Index head_width, Index head_dim,
                                const Number* queries, Index width, float* scores) {
  const Index stride = head_width / kAlong<Number>;
  const Index depth = pieces(head_dim, kAlong<Number>);
  for (Index j = 0; j < block.keys; j += kTileRows) {
    const Index first = block.first_query(j) / kLanes * kLanes;
    if (first >= width) break;
    multiply_rows(std::min(kTileRows, block.keys - j), width - first, {keys + j * stride, stride, 1}, depth,
                  queries + first, width, false, scores + j * width + first, width);
  }
}

/// out [queries, head_width] (+)= weights^T [queries, keys] values [keys, head_width]; weights [keys, width],
/// both in numbers along the keys.
template <class Number>
HWY_INLINE void multiply_by_keys(const ScoreBlock& block, const Number* weights, Index width,
                                 const Number* values, Index head_width, bool accumulate, float* out) {
  for (Index i = 0; i < block.queries; i += kTileRows) {
    const Index rows = std::min(kTileRows, block.queries - i);
    const Index depth = pieces(block.last_key(i, rows), kAlong<Number>);
    multiply_rows(rows, head_width, {weights + i, 1, width}, depth, values, head_width, accumulate,
                  out + i * head_width, head_width);
  }
}

/// out [keys, head_width] += weights [keys, queries] values [queries, head_width], both in numbers along the
/// queries; rows of weights begin `width` numbers apart.
template <class Number>
HWY_INLINE void multiply_by_queries(const ScoreBlock& block, const Number* weights, Index width,
                                    const Number* values, Index head_width, float* out) {
  for (Index j = 0; j < block.keys; j += kTileRows) {
    const Index first = block.first_query(j) / kAlong<Number>;
    multiply_rows(std::min(kTileRows, block.keys - j), head_width, {weights + j * width + first, width, 1},
                  pieces(block.queries, kAlong<Number>) - first, values + first * head_width, head_width,
                  true, out + j * head_width, head_width);
  }
}

/// Whether all of these are BF16, of which pairs can be made, on a CPU that multiplies them.
inline bool pairs_serve(std::initializer_list<ConstMatrixView> views) {
  return kLanes >= 16 && Matmul::fast_bf16() &&
         std::all_of(views.begin(), views.end(), [](ConstMatrixView v) { return v.dtype == DType::kBF16; });
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
