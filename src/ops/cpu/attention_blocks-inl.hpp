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

/// out [n, width] = scale * rows [row, row + n), columns [col, col + cols); zeros up to `width`.
HWY_INLINE void pack(const ConstMatrixView& view, Index row, Index n, Index col, Index cols, float scale,
                     Index width, float* out) {
  with_type(view.dtype, [&]<class T>(T /*tag*/) HWY_ATTR {
    for (Index i = 0; i < n; ++i) {
      const T* from = view.row<T>(row + i) + col;
      float* to = out + i * width;
      for_each_vector(cols, [&](Index j, Index count)
                                HWY_ATTR { store(hn::Mul(load(from + j, count), splat(scale)), to + j); });
    }
  });
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

/// out [cols, out_row] = scale * in^T, in [n, width]; n is rounded up to whole vectors (in has the
/// room; its rows behind n are written here as zeros), cols to 4.
HWY_INLINE void transpose_panel(float* in, Index n, Index cols, Index width, float scale, Index out_row,
                                float* out) {
  std::fill(in + n * width, in + round_up(n) * width, 0.0F);
#if HWY_TARGET == HWY_SCALAR
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < cols; ++j) out[j * out_row + i] = scale * in[i * width + j];
  }
#else
  const hn::CappedTag<float, 4> d;
  const auto factor = hn::Set(d, scale);
  for (Index i = 0; i < round_up(n); i += 4) {
    for (Index j = 0; j < cols; j += 4) {
      const float* from = in + i * width + j;
      const auto a = hn::Mul(factor, hn::LoadU(d, from));
      const auto b = hn::Mul(factor, hn::LoadU(d, from + width));
      const auto c = hn::Mul(factor, hn::LoadU(d, from + 2 * width));
      const auto e = hn::Mul(factor, hn::LoadU(d, from + 3 * width));
      const auto ac_low = hn::InterleaveLower(d, a, c);
      const auto be_low = hn::InterleaveLower(d, b, e);
      const auto ac_high = hn::InterleaveUpper(d, a, c);
      const auto be_high = hn::InterleaveUpper(d, b, e);
      float* to = out + j * out_row + i;
      hn::StoreU(hn::InterleaveLower(d, ac_low, be_low), d, to);
      hn::StoreU(hn::InterleaveUpper(d, ac_low, be_low), d, to + out_row);
      hn::StoreU(hn::InterleaveLower(d, ac_high, be_high), d, to + 2 * out_row);
      hn::StoreU(hn::InterleaveUpper(d, ac_high, be_high), d, to + 3 * out_row);
    }
  }
#endif
}

/// scores [keys, width] = keys [.., head_width] by transposed queries [head_dim, width], where any query of
/// the tile sees any key of it; the rest stays stale.
HWY_INLINE void multiply_scores(const ScoreBlock& block, const float* keys, Index head_width, Index head_dim,
                                const float* queries, Index width, float* scores) {
  for (Index j = 0; j < block.keys; j += kTileRows) {
    const Index first = block.first_query(j) / kLanes * kLanes;
    if (first >= width) break;
    multiply_rows(std::min(kTileRows, block.keys - j), width - first, {keys + j * head_width, head_width, 1},
                  head_dim, queries + first, width, false, scores + j * width + first, width);
  }
}

/// out [queries, head_width] (+)= weights^T [queries, keys] values [keys, head_width]; weights [keys, width].
HWY_INLINE void multiply_by_keys(const ScoreBlock& block, const float* weights, Index width,
                                 const float* values, Index head_width, bool accumulate, float* out) {
  for (Index i = 0; i < block.queries; i += kTileRows) {
    const Index rows = std::min(kTileRows, block.queries - i);
    multiply_rows(rows, head_width, {weights + i, 1, width}, block.last_key(i, rows), values, head_width,
                  accumulate, out + i * head_width, head_width);
  }
}

/// out [keys, head_width] += weights [keys, width] values [queries, head_width].
HWY_INLINE void multiply_by_queries(const ScoreBlock& block, const float* weights, Index width,
                                    const float* values, Index head_width, float* out) {
  for (Index j = 0; j < block.keys; j += kTileRows) {
    const Index first = block.first_query(j);
    multiply_rows(std::min(kTileRows, block.keys - j), head_width, {weights + j * width + first, width, 1},
                  block.queries - first, values + first * head_width, head_width, true, out + j * head_width,
                  head_width);
  }
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
