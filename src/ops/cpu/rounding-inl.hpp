// ops/cpu/rounding-inl.hpp: float32 rounded to small integers with a common unit. Included once per
// instruction set (Highway's dynamic dispatch), hence the guard.
#if defined(LORRY_OPS_CPU_ROUNDING_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LORRY_OPS_CPU_ROUNDING_INL
#undef LORRY_OPS_CPU_ROUNDING_INL
#else
#define LORRY_OPS_CPU_ROUNDING_INL
#endif

#include <cmath>
#include <limits>

#include "ops/cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

/// Looks at numbers that will be rounded together, then gives their unit: the largest magnitude is `most`
/// units. All below 1e-30 are zero, so that the inverse is a number.
class RoundingUnit {
 public:
  HWY_INLINE RoundingUnit() : top_(hn::Zero(kFloats)), faults_(hn::Zero(kFloats)) {}

  HWY_INLINE void look_at(FloatVec x) {
    top_ = hn::Max(top_, hn::Abs(x));
    faults_ = hn::MulAdd(x, hn::Zero(kFloats), faults_);
  }

  struct Unit {
    float size;     // NaN if a number is not finite
    float inverse;  // 0 if all are zero, or one is not finite
  };
  [[nodiscard]] HWY_INLINE Unit of(float most) const {
    constexpr float kLeast = 1e-30F;
    if (std::isnan(sum_of_lanes(faults_))) return {std::numeric_limits<float>::quiet_NaN(), 0.0F};
    const float top = hn::GetLane(hn::MaxOfLanes(kFloats, top_));
    if (top < kLeast) return {0.0F, 0.0F};
    return {top / most, most / top};
  }

 private:
  FloatVec top_;
  FloatVec faults_;  // NaN once a number is not finite
};

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
