#include "ops/cpu/optimizer.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/optimizer.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <vector>

#include "ops/cpu/adamw-inl.hpp"
#include "ops/cpu/parallel.hpp"
#include "ops/cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

/// Squares of a float have 48 bits: exact in double.
double squares_of_row(ConstMatrixView x) {
  // Enough chains that the compiler's vectors of any width hide the latency of the sums.
  std::array<double, 32> sums{};
  double total = 0;
  with_type(x.dtype, [&]<class T>(T /*tag*/) HWY_ATTR {
    const T* from = x.row<T>(0);
    constexpr auto kStep = static_cast<Index>(std::tuple_size_v<decltype(sums)>);
    std::array<float, static_cast<std::size_t>(kStep)> values;
    for (Index i = 0; i < x.cols; i += kStep) {
      values.fill(0.0F);
      for_each_vector(std::min(kStep, x.cols - i), [&](Index j, Index count) HWY_ATTR {
        store(load(from + i + j, count), values.data() + j, count);
      });
      for (std::size_t k = 0; k < sums.size(); ++k) {
        sums[k] += static_cast<double>(values[k]) * static_cast<double>(values[k]);
      }
    }
  });
  for (const double sum : sums) total += sum;
  return total;
}

void update_adamw(const float* gradient, const AdamWOptions& options, Index n, float* weight, float* first,
                  float* second) {
  adamw_elements(gradient, step_of(options), n, weight, first, second);
}

/// torch.optim.SGD: weight decay is a part of the gradient. momentum: null without.
void update_sgd(const float* gradient, const SgdOptions& options, Index n, float* weight, float* momentum) {
  const FloatVec scale = splat(options.gradient_scale);
  const FloatVec decay = splat(static_cast<float>(options.weight_decay));
  const FloatVec keep = splat(static_cast<float>(options.momentum));
  const FloatVec rate = splat(static_cast<float>(options.lr));
  for_each_vector(n, [&](Index i, Index count) HWY_ATTR {
    const FloatVec w = load(weight + i, count);
    FloatVec g = hn::MulAdd(decay, w, hn::Mul(load(gradient + i, count), scale));
    if (momentum != nullptr) {
      const FloatVec m = hn::MulAdd(keep, load(momentum + i, count), g);
      store(m, momentum + i, count);
      g = options.nesterov ? hn::MulAdd(keep, m, g) : m;
    }
    store(hn::NegMulAdd(rate, g, w), weight + i, count);
  });
}

void update_lion(const float* gradient, const LionOptions& options, Index n, float* weight, float* mean) {
  const FloatVec zero = splat(0.0F);
  const FloatVec scale = splat(options.gradient_scale);
  const FloatVec decay = splat(static_cast<float>(1.0 - options.lr * options.weight_decay));
  const FloatVec rate = splat(static_cast<float>(options.lr));
  const FloatVec new1 = splat(static_cast<float>(1.0 - options.beta1));
  const FloatVec new2 = splat(static_cast<float>(1.0 - options.beta2));
  for_each_vector(n, [&](Index i, Index count) HWY_ATTR {
    const FloatVec g = hn::Mul(load(gradient + i, count), scale);
    const FloatVec m = load(mean + i, count);
    const FloatVec change = hn::Sub(g, m);
    const FloatVec c = hn::MulAdd(new1, change, m);
    const FloatVec step =
        hn::IfThenElse(hn::Gt(c, zero), rate, hn::IfThenElseZero(hn::Lt(c, zero), hn::Neg(rate)));
    store(hn::Sub(hn::Mul(load(weight + i, count), decay), step), weight + i, count);
    store(hn::MulAdd(new2, change, m), mean + i, count);
  });
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lorry::ops::cpu {

HWY_EXPORT(squares_of_row);
HWY_EXPORT(update_adamw);
HWY_EXPORT(update_sgd);
HWY_EXPORT(update_lion);

namespace {
constexpr Index kPiece = Index{1} << 15;

bool is_contiguous_f32(ConstMatrixView x, ConstMatrixView like) {
  return x.dtype == DType::kF32 && x.stride == x.cols && x.rows == like.rows && x.cols == like.cols;
}

/// Calls body(first, count) for runs of elements that cover the matrix, on all threads.
template <class Body>
void for_each_piece(ConstMatrixView matrix, Body&& body) {
  if (matrix.rows == 0 || matrix.cols == 0) return;
  parallel_for(pieces(matrix.size(), kPiece), [&](Index piece) {
    const Index first = piece * kPiece;
    body(first, std::min(kPiece, matrix.size() - first));
  });
}
}  // namespace

double sum_of_squares(ConstMatrixView x) {
  if (x.stride == x.cols) x = {x.data, 1, x.size(), x.size(), x.dtype};
  const Index across = pieces(x.cols, kPiece);
  std::vector<double> sums(static_cast<std::size_t>(x.rows * across));
  parallel_for(x.rows * across, [&](Index piece) {
    const Index col = piece % across * kPiece;
    const ConstMatrixView row = x.row_range(piece / across, 1).col_range(col, std::min(kPiece, x.cols - col));
    sums[static_cast<std::size_t>(piece)] = HWY_DYNAMIC_DISPATCH(squares_of_row)(row);
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

void adamw(ConstMatrixView gradient, const AdamWOptions& options, MatrixView weight, MatrixView first_moment,
           MatrixView second_moment) {
  LORRY_CHECK(is_contiguous_f32(weight, weight) && is_contiguous_f32(gradient, weight));
  LORRY_CHECK(is_contiguous_f32(first_moment, weight) && is_contiguous_f32(second_moment, weight));
  LORRY_CHECK(options.step >= 1);
  for_each_piece(weight, [&](Index first, Index count) {
    HWY_DYNAMIC_DISPATCH(update_adamw)
    (gradient.row<float>(0) + first, options, count, weight.row<float>(0) + first,
     first_moment.row<float>(0) + first, second_moment.row<float>(0) + first);
  });
}

void sgd(ConstMatrixView gradient, const SgdOptions& options, MatrixView weight, MatrixView momentum) {
  LORRY_CHECK(is_contiguous_f32(weight, weight) && is_contiguous_f32(gradient, weight));
  LORRY_CHECK(momentum.empty() ? options.momentum == 0 : is_contiguous_f32(momentum, weight));
  for_each_piece(weight, [&](Index first, Index count) {
    HWY_DYNAMIC_DISPATCH(update_sgd)
    (gradient.row<float>(0) + first, options, count, weight.row<float>(0) + first,
     momentum.empty() ? nullptr : momentum.row<float>(0) + first);
  });
}

void lion(ConstMatrixView gradient, const LionOptions& options, MatrixView weight, MatrixView mean) {
  LORRY_CHECK(is_contiguous_f32(weight, weight) && is_contiguous_f32(gradient, weight));
  LORRY_CHECK(is_contiguous_f32(mean, weight));
  for_each_piece(weight, [&](Index first, Index count) {
    HWY_DYNAMIC_DISPATCH(update_lion)
    (gradient.row<float>(0) + first, options, count, weight.row<float>(0) + first,
     mean.row<float>(0) + first);
  });
}

}  // namespace lorry::ops::cpu
#endif  // HWY_ONCE
