// ops/cpu/adamw-inl.hpp: one AdamW update of a run of elements, for states of any precision. Included once
// per instruction set (Highway's dynamic dispatch), hence the guard.
#if defined(LORRY_OPS_CPU_ADAMW_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LORRY_OPS_CPU_ADAMW_INL
#undef LORRY_OPS_CPU_ADAMW_INL
#else
#define LORRY_OPS_CPU_ADAMW_INL
#endif

#include <hwy/highway.h>

#include <cmath>

#include "ops/cpu/simd-inl.hpp"
#include "ops/ops.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {  // internal: other files have helpers of the same names

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

HWY_INLINE AdamWStep step_of(const AdamWOptions& o) {
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

/// Updates n weights and both moments.
HWY_INLINE void adamw_elements(const float* gradient, const AdamWStep& s, Index n, float* weight,
                               float* first, float* second) {
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

#endif  // per-target include guard
