#include "ops/cpu/optimizer.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/optimizer.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

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

/// The numbers of one step, rounded to float32 where torch rounds them: on their way into the kernel.
struct AdamWStep {
  float gradient_scale;
  float decay;           // 1 - lr * weight_decay
  float one_less_beta1;  // weight of the new gradient
  float beta2;
  float one_less_beta2;
  float root_correction2;  // sqrt(1 - beta2^step)
  float eps;
  float step_size;  // lr / (1 - beta1^step)
};

AdamWStep step_of(const AdamWOptions& o) {
  const auto step = static_cast<double>(o.step);
  return {.gradient_scale = o.gradient_scale,
          .decay = static_cast<float>(1.0 - o.lr * o.weight_decay),
          .one_less_beta1 = static_cast<float>(1.0 - o.beta1),
          .beta2 = static_cast<float>(o.beta2),
          .one_less_beta2 = static_cast<float>(1.0 - o.beta2),
          .root_correction2 = static_cast<float>(std::sqrt(1.0 - std::pow(o.beta2, step))),
          .eps = static_cast<float>(o.eps),
          .step_size = static_cast<float>(o.lr / (1.0 - std::pow(o.beta1, step)))};
}

void update(const float* gradient, const AdamWOptions& options, Index n, float* weight, float* first,
            float* second) {
  const AdamWStep s = step_of(options);
  for_each_vector(n, [&](Index i, Index count) HWY_ATTR {
    const FloatVec g = hn::Mul(load(gradient + i, count), splat(s.gradient_scale));
    FloatVec w = hn::Mul(load(weight + i, count), splat(s.decay));
    FloatVec m = load(first + i, count);
    m = hn::MulAdd(splat(s.one_less_beta1), hn::Sub(g, m), m);
    FloatVec v = hn::Mul(load(second + i, count), splat(s.beta2));
    v = hn::MulAdd(hn::Mul(splat(s.one_less_beta2), g), g, v);
    const FloatVec denominator = hn::Add(hn::Div(hn::Sqrt(v), splat(s.root_correction2)), splat(s.eps));
    w = hn::Sub(w, hn::Mul(splat(s.step_size), hn::Div(m, denominator)));
    store(w, weight + i, count);
    store(m, first + i, count);
    store(v, second + i, count);
  });
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lorry::ops::cpu {

HWY_EXPORT(squares_of_row);
HWY_EXPORT(update);

namespace {
constexpr Index kPiece = Index{1} << 15;

bool is_contiguous_f32(ConstMatrixView x, ConstMatrixView like) {
  return x.dtype == DType::kF32 && x.stride == x.cols && x.rows == like.rows && x.cols == like.cols;
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
  if (weight.rows == 0 || weight.cols == 0) return;
  parallel_for(pieces(weight.size(), kPiece), [&](Index piece) {
    const Index first = piece * kPiece;
    HWY_DYNAMIC_DISPATCH(update)
    (gradient.row<float>(0) + first, options, std::min(kPiece, weight.size() - first),
     weight.row<float>(0) + first, first_moment.row<float>(0) + first, second_moment.row<float>(0) + first);
  });
}

}  // namespace lorry::ops::cpu
#endif  // HWY_ONCE
