// Three passes over a row that stays in the second-level cache: maximum, exponentials, scaling. NaN and
// infinite logits are not masked anywhere, so that they reach the loss: the trainer must see them.
#include "ops/cpu/cross_entropy.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/cross_entropy.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/parallel.hpp"
#include "ops/cpu/rows-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

/// The largest of n logits. A NaN among them may be lost here; the sum of exponentials keeps it.
float largest(const float* logits, Index n) {
  FloatVec best = splat(logits[0]);
  for_each_vector(n, [&](Index j, Index count) HWY_ATTR {
    if (count == kLanes) {
      best = hn::Max(best, load(logits + j));
    } else {
      for (Index k = j; k < j + count; ++k) best = hn::Max(best, splat(logits[k]));
    }
  });
  return hn::GetLane(hn::MaxOfLanes(kFloats, best));
}

/// Sum of exp(logit - top) over n logits, in double by blocks: one float sum over 150k terms would lose
/// digits. keep: the exponentials replace the logits.
double sum_of_exponentials(float* logits, Index n, float top, bool keep) {
  constexpr Index kBlock = 64 * kLanes;
  double total = 0.0;
  for (Index first = 0; first < n; first += kBlock) {
    float* block = logits + first;
    FloatVec sum = splat(0.0F);
    for_each_vector(std::min(kBlock, n - first), [&](Index j, Index count) HWY_ATTR {
      const FloatVec x = hn::Sub(load(block + j, count), splat(top));
      FloatVec e = hn::IfThenZeroElse(hn::Lt(x, splat(-87.0F)), exp_clamped(x));
      if (keep) store(e, block + j, count);
      if (count < kLanes) e = hn::IfThenElseZero(hn::FirstN(kFloats, static_cast<std::size_t>(count)), e);
      sum = hn::Add(sum, e);
    });
    total += static_cast<double>(sum_of_lanes(sum));
  }
  return total;
}

/// Mean of top - logit over n logits, summed in double by blocks as above.
double mean_below(const float* logits, Index n, float top) {
  constexpr Index kBlock = 64 * kLanes;
  double total = 0.0;
  for (Index first = 0; first < n; first += kBlock) {
    const float* block = logits + first;
    FloatVec sum = splat(0.0F);
    for_each_vector(std::min(kBlock, n - first), [&](Index j, Index count) HWY_ATTR {
      FloatVec x = hn::Sub(splat(top), load(block + j, count));
      if (count < kLanes) x = hn::IfThenElseZero(hn::FirstN(kFloats, static_cast<std::size_t>(count)), x);
      sum = hn::Add(sum, x);
    });
    total += static_cast<double>(sum_of_lanes(sum));
  }
  return total / static_cast<double>(n);
}

/// The loss of a row; see ops.hpp.
double row_loss(float* logits, Index n, std::int32_t target, const CrossEntropyOptions& options) {
  const bool with_gradient = options.with_gradient;
  if (target < 0) {
    if (with_gradient) std::fill(logits, logits + n, 0.0F);
    return 0.0;
  }
  const float top = largest(logits, n);
  const double below_target = static_cast<double>(top) - static_cast<double>(logits[target]);
  const double smoothing = static_cast<double>(options.label_smoothing);
  const double below_mean = smoothing > 0 ? mean_below(logits, n, top) : 0.0;
  const double sum = sum_of_exponentials(logits, n, top, with_gradient);
  if (with_gradient) {
    const auto scale = static_cast<double>(options.gradient_scale);
    const FloatVec factor = splat(static_cast<float>(scale / sum));
    const FloatVec share = splat(static_cast<float>(scale * smoothing / static_cast<double>(n)));
    for_each_vector(n, [&](Index j, Index count) HWY_ATTR {
      store(hn::MulSub(load(logits + j, count), factor, share), logits + j, count);
    });
    logits[target] -= static_cast<float>(scale * (1.0 - smoothing));
  }
  return std::log(sum) + (1.0 - smoothing) * below_target + smoothing * below_mean;
}

void row_losses(MatrixView logits, std::span<const std::int32_t> targets, const CrossEntropyOptions& options,
                double* losses) {
  const Index block = std::max<Index>(1, (1 << 13) / logits.cols);
  parallel_for(pieces(logits.rows, block), [&](Index b) {
    for (Index i = b * block; i < std::min(logits.rows, (b + 1) * block); ++i) {
      losses[i] = row_loss(logits.row<float>(i), logits.cols, targets[static_cast<std::size_t>(i)], options);
    }
  });
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lorry::ops::cpu {
HWY_EXPORT(row_losses);

double cross_entropy(MatrixView logits, std::span<const std::int32_t> targets,
                     const CrossEntropyOptions& options) {
  LORRY_CHECK(logits.cols > 0);
  LORRY_CHECK_EQ(static_cast<Index>(targets.size()), logits.rows);
  for (const std::int32_t target : targets) LORRY_CHECK(target < logits.cols);
  std::vector<double> losses(targets.size());
  HWY_DYNAMIC_DISPATCH(row_losses)(logits, targets, options, losses.data());
  double sum = 0.0;
  for (const double loss : losses) sum += loss;
  return sum;
}

}  // namespace lorry::ops::cpu
#endif
