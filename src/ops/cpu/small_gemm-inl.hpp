// cpu/small_gemm-inl.hpp: products of small panels that lie in the cache: C [m, n] (+)= A [m, k] B [k, n], in
// float32, or of pairs of BF16 along K, summed in float32. B and C have rows of whole vectors; A is read one
// number (or pair) at a time, so it may be transposed by its strides.
#if defined(LORRY_OPS_CPU_SMALL_GEMM_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LORRY_OPS_CPU_SMALL_GEMM_INL
#undef LORRY_OPS_CPU_SMALL_GEMM_INL
#else
#define LORRY_OPS_CPU_SMALL_GEMM_INL
#endif

#include "ops/cpu/pairs-inl.hpp"
#include "ops/cpu/rows-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

/// A [.., k] by its first number, a float or a Pair: row i, column p lies at data[i * row + p * col].
template <class Number>
struct Numbers {
  const Number* data;
  Index row;
  Index col;
};
using Scalars = Numbers<float>;

constexpr Index kTileRows = 6;
// 6 x 4 accumulators, 4 of B and one broadcast fit the 32 registers of AVX-512; 6 x 2 the 16 of AVX2.
constexpr Index kTileVectors = kLanes >= 16 ? 4 : 2;

/// One tile of `rows` x `vectors` accumulators.
template <int rows, int vectors, class Number>
HWY_INLINE void multiply_tile(Numbers<Number> a, Index k, const Number* b, Index b_row, bool accumulate,
                              float* c, Index c_row) {
  FloatVec sum[rows][vectors];
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < vectors; ++j) {
      sum[i][j] = accumulate ? load(c + i * c_row + j * kLanes) : splat(0.0F);
    }
  }
  // Less to decode beside the multiply-adds: 4 to 10 % on Zen 3.
#pragma GCC unroll 4
  for (Index p = 0; p < k; ++p) {
    decltype(vector_at(b)) right[vectors];
    for (int j = 0; j < vectors; ++j) right[j] = vector_at(b + p * b_row + j * kLanes);
    for (int i = 0; i < rows; ++i) {
      const auto left = broadcast(a.data + i * a.row + p * a.col);
      for (int j = 0; j < vectors; ++j) sum[i][j] = multiply_add(left, right[j], sum[i][j]);
    }
  }
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < vectors; ++j) store(sum[i][j], c + i * c_row + j * kLanes);
  }
}

/// `rows` rows of C, all of its n columns (a multiple of kLanes).
template <int rows, class Number>
HWY_NOINLINE void multiply_strip(Index n, Numbers<Number> a, Index k, const Number* b, Index b_row,
                                 bool accumulate, float* c, Index c_row) {
  Index left = n / kLanes;
  while (left > 0) {
    // 5 = 3 + 2 keeps more multiply-adds in flight than 4 + 1.
    // (Where tiles are two vectors wide the condition is never true.)
    const Index vectors = left == kTileVectors + 1 && left > 3 ? 3 : std::min(left, kTileVectors);  // NOLINT
    if constexpr (kTileVectors == 4) {
      if (vectors == 4) multiply_tile<rows, 4>(a, k, b, b_row, accumulate, c, c_row);
      if (vectors == 3) multiply_tile<rows, 3>(a, k, b, b_row, accumulate, c, c_row);
    }
    if (vectors == 2) multiply_tile<rows, 2>(a, k, b, b_row, accumulate, c, c_row);
    if (vectors == 1) multiply_tile<rows, 1>(a, k, b, b_row, accumulate, c, c_row);
    b += vectors * kLanes;
    c += vectors * kLanes;
    left -= vectors;
  }
}

/// C [m, n] with m <= kTileRows; k numbers, or pairs.
template <class Number>
HWY_INLINE void multiply_rows(Index m, Index n, Numbers<Number> a, Index k, const Number* b, Index b_row,
                              bool accumulate, float* c, Index c_row) {
  switch (m) {
    case 1:
      return multiply_strip<1>(n, a, k, b, b_row, accumulate, c, c_row);
    case 2:
      return multiply_strip<2>(n, a, k, b, b_row, accumulate, c, c_row);
    case 3:
      return multiply_strip<3>(n, a, k, b, b_row, accumulate, c, c_row);
    case 4:
      return multiply_strip<4>(n, a, k, b, b_row, accumulate, c, c_row);
    case 5:
      return multiply_strip<5>(n, a, k, b, b_row, accumulate, c, c_row);
    default:
      return multiply_strip<6>(n, a, k, b, b_row, accumulate, c, c_row);
  }
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
