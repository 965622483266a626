// Rows are independent; a row is widened to float32 once and normalised group by group. The sums over rows
// for the weights run in row blocks whose bounds depend on N alone, added in order: the same for any thread
// count.
#include "ops/cpu/norms.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/norms.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/parallel.hpp"
#include "ops/cpu/rows-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

constexpr Index kPieceSize = 1 << 14;  // elements: below it, handing out a piece costs more than it saves
constexpr Index kWeightSums = 64;      // partial sums for the weights, at most

/// The facts both norms share. RMS norm is layer norm without the mean.
struct Norm {
  bool centered = false;
  float eps = 0.0F;
  const float* weight = nullptr;
  const float* bias = nullptr;  // none for RMS norm
  Index width = 0;              // of a group
};

/// Replaces x[0, width) by (x - mean) / sqrt(var + eps) and returns 1 / sqrt(var + eps).
float normalise(const Norm& norm, float* x) {
  const auto width = static_cast<float>(norm.width);
  float mean = 0.0F;
  if (norm.centered) {
    FloatVec sum = splat(0.0F);
    for_each_vector(norm.width, [&](Index i, Index n) HWY_ATTR { sum = hn::Add(sum, load(x + i, n)); });
    mean = sum_of_lanes(sum) / width;
    for_each_vector(norm.width, [&](Index i, Index n)
                                    HWY_ATTR { store(hn::Sub(load(x + i, n), splat(mean)), x + i, n); });
  }
  FloatVec squares = splat(0.0F);
  for_each_vector(norm.width, [&](Index i, Index n) HWY_ATTR {
    const FloatVec v = load(x + i, n);
    squares = hn::MulAdd(v, v, squares);
  });
  const float inverse = 1.0F / std::sqrt(sum_of_lanes(squares) / width + norm.eps);
  for_each_vector(norm.width, [&](Index i, Index n)
                                  HWY_ATTR { store(hn::Mul(load(x + i, n), splat(inverse)), x + i, n); });
  return inverse;
}

/// Rows [first, last) of the forward pass.
void rows_forward(const Norm& norm, ConstMatrixView x, Index first, Index last, MatrixView y) {
  std::vector<float> memory(static_cast<std::size_t>(norm.width));
  float* h = memory.data();
  for (Index i = first; i < last; ++i) {
    for (Index col = 0; col < x.cols; col += norm.width) {
      read_row(x, i, col, norm.width, h);
      normalise(norm, h);
      for_each_vector(norm.width, [&](Index j, Index n) HWY_ATTR {
        const FloatVec bias = norm.bias == nullptr ? splat(0.0F) : load(norm.bias + j, n);
        store(hn::MulAdd(load(h + j, n), load(norm.weight + j, n), bias), h + j, n);
      });
      write_row(h, y, i, col, norm.width);
    }
  }
}

/// bias: none for RMS norm.
void norm_forward(bool centered, float eps, ConstMatrixView weight, const float* bias, ConstMatrixView x,
                  MatrixView y) {
  const Norm norm{centered, eps, weight.row<float>(0), bias, weight.cols};
  const Index block = std::max<Index>(1, kPieceSize / x.cols);
  parallel_for(pieces(x.rows, block),
               [&](Index b) { rows_forward(norm, x, b * block, std::min(x.rows, (b + 1) * block), y); });
}

/// What one group of one row needs in the backward pass; each of `width` floats.
struct NormScratch {
  float* normalised;
  float* dy;
  float* dx;
};

/// Adds dy * normalised to dweight and dy to dbias (either may be null).
void add_weight_gradients(Index width, const NormScratch& s, float* dweight, float* dbias) {
  for_each_vector(width, [&](Index j, Index n) HWY_ATTR {
    const FloatVec dy = load(s.dy + j, n);
    if (dweight != nullptr) {
      store(hn::MulAdd(dy, load(s.normalised + j, n), load(dweight + j, n)), dweight + j, n);
    }
    if (dbias != nullptr) store(hn::Add(dy, load(dbias + j, n)), dbias + j, n);
  });
}

/// dx = (g - mean(g) - h mean(g h)) / sqrt(var + eps) with g = weight dy and h the normalised row; mean(g) is
/// absent in RMS norm. Adds to dx when accumulate.
void group_backward(const Norm& norm, const NormScratch& s, float inverse, bool accumulate) {
  FloatVec sum = splat(0.0F);
  FloatVec dot = splat(0.0F);
  for_each_vector(norm.width, [&](Index j, Index n) HWY_ATTR {
    const FloatVec g = hn::Mul(load(norm.weight + j, n), load(s.dy + j, n));
    sum = hn::Add(sum, g);
    dot = hn::MulAdd(g, load(s.normalised + j, n), dot);
  });
  const auto width = static_cast<float>(norm.width);
  const FloatVec mean = splat(norm.centered ? sum_of_lanes(sum) / width : 0.0F);
  const FloatVec slope = splat(sum_of_lanes(dot) / width);
  for_each_vector(norm.width, [&](Index j, Index n) HWY_ATTR {
    const FloatVec g = hn::Mul(load(norm.weight + j, n), load(s.dy + j, n));
    FloatVec d = hn::NegMulAdd(load(s.normalised + j, n), slope, hn::Sub(g, mean));
    d = hn::Mul(d, splat(inverse));
    if (accumulate) d = hn::Add(d, load(s.dx + j, n));
    store(d, s.dx + j, n);
  });
}

/// Rows [first, last) of the backward pass.
void rows_backward(const Norm& norm, ConstMatrixView x, ConstMatrixView dy, bool accumulate, MatrixView dx,
                   Index first, Index last, float* dweight, float* dbias) {
  std::vector<float> memory(static_cast<std::size_t>(3 * norm.width));
  const NormScratch s{memory.data(), memory.data() + norm.width, memory.data() + 2 * norm.width};
  for (Index i = first; i < last; ++i) {
    for (Index col = 0; col < x.cols; col += norm.width) {
      read_row(x, i, col, norm.width, s.normalised);
      read_row(dy, i, col, norm.width, s.dy);
      if (accumulate) read_row(dx, i, col, norm.width, s.dx);
      const float inverse = normalise(norm, s.normalised);
      add_weight_gradients(norm.width, s, dweight, dbias);
      group_backward(norm, s, inverse, accumulate);
      write_row(s.dx, dx, i, col, norm.width);
    }
  }
}

/// dweight and dbias [width] are added to; each may be null.
void norm_backward(bool centered, float eps, ConstMatrixView weight, ConstMatrixView x, ConstMatrixView dy,
                   bool accumulate, MatrixView dx, float* dweight, float* dbias) {
  const Norm norm{centered, eps, weight.row<float>(0), nullptr, weight.cols};
  const Index block = std::max({Index{1}, kPieceSize / x.cols, pieces(x.rows, kWeightSums)});
  const Index blocks = pieces(x.rows, block);
  const bool sums = dweight != nullptr || dbias != nullptr;
  std::vector<float> partial(sums ? static_cast<std::size_t>(2 * blocks * norm.width) : 0);
  parallel_for(blocks, [&](Index b) {
    float* own = partial.data() + (sums ? 2 * b * norm.width : 0);
    rows_backward(norm, x, dy, accumulate, dx, b * block, std::min(x.rows, (b + 1) * block),
                  dweight == nullptr ? nullptr : own, dbias == nullptr ? nullptr : own + norm.width);
  });
  for (Index b = 0; sums && b < blocks; ++b) {
    const float* own = partial.data() + 2 * b * norm.width;
    for (Index j = 0; dweight != nullptr && j < norm.width; ++j) dweight[j] += own[j];
    for (Index j = 0; dbias != nullptr && j < norm.width; ++j) dbias[j] += own[norm.width + j];
  }
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lorry::ops::cpu {
HWY_EXPORT(norm_forward);
HWY_EXPORT(norm_backward);

namespace {

void check_shapes(ConstMatrixView x, ConstMatrixView weight, ConstMatrixView y) {
  LORRY_CHECK_EQ(weight.rows, Index{1});
  LORRY_CHECK(weight.cols > 0 && x.cols > 0 && x.cols % weight.cols == 0);
  LORRY_CHECK_EQ(x.rows, y.rows);
  LORRY_CHECK_EQ(x.cols, y.cols);
}

float* gradient_row(MatrixView gradient, Index width) {
  if (gradient.empty()) return nullptr;
  LORRY_CHECK_EQ(gradient.cols, width);
  return gradient.row<float>(0);
}

void norm_backward_checked(bool centered, float eps, ConstMatrixView weight, ConstMatrixView x,
                           ConstMatrixView dy, bool accumulate, MatrixView dx, MatrixView dweight,
                           MatrixView dbias) {
  check_shapes(x, weight, dy);
  check_shapes(x, weight, dx);
  float* dw = gradient_row(dweight, weight.cols);
  float* db = gradient_row(dbias, weight.cols);
  HWY_DYNAMIC_DISPATCH(norm_backward)(centered, eps, weight, x, dy, accumulate, dx, dw, db);
}

void norm_forward_checked(bool centered, float eps, ConstMatrixView weight, const float* bias,
                          ConstMatrixView x, MatrixView y) {
  check_shapes(x, weight, y);
  HWY_DYNAMIC_DISPATCH(norm_forward)(centered, eps, weight, bias, x, y);
}

}  // namespace

void rms_norm(ConstMatrixView x, ConstMatrixView weight, float eps, MatrixView y) {
  norm_forward_checked(false, eps, weight, nullptr, x, y);
}

void rms_norm_backward(ConstMatrixView x, ConstMatrixView weight, float eps, ConstMatrixView dy,
                       bool accumulate, MatrixView dx, MatrixView dweight) {
  norm_backward_checked(false, eps, weight, x, dy, accumulate, dx, dweight, {});
}

void layer_norm(ConstMatrixView x, ConstMatrixView weight, ConstMatrixView bias, float eps, MatrixView y) {
  LORRY_CHECK_EQ(bias.cols, weight.cols);
  norm_forward_checked(true, eps, weight, bias.row<float>(0), x, y);
}

void layer_norm_backward(ConstMatrixView x, ConstMatrixView weight, float eps, ConstMatrixView dy,
                         bool accumulate, MatrixView dx, MatrixView dweight, MatrixView dbias) {
  norm_backward_checked(true, eps, weight, x, dy, accumulate, dx, dweight, dbias);
}

}  // namespace lorry::ops::cpu
#endif
