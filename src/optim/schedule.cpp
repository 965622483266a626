#include "optim/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <numbers>

#include "core/check.hpp"
#include "core/option_error.hpp"

namespace lorry::optim {
namespace {

double ratio(Index part, Index whole) {
  return static_cast<double>(part) / static_cast<double>(std::max<Index>(1, whole));
}

double half_cosine(double progress) {
  return 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
}

template <class Names, class Value>
std::string_view first_name(const Names& names, Value value) {
  return std::find_if(names.begin(), names.end(), [&](const auto& known) { return known.second == value; })
      ->first;
}

/// Refuses what the kind would ignore.
void refuse_unused(std::string_view flag, bool given, ScheduleKind kind,
                   std::initializer_list<ScheduleKind> users) {
  if (!given || std::find(users.begin(), users.end(), kind) != users.end()) return;
  throw OptionError("[train] {}: has no effect with --lr-scheduler {}; expected it without", flag,
                    name_of(kind));
}

}  // namespace

std::string_view name_of(ScheduleKind kind) {
  return first_name(kScheduleNames, kind);
}

std::string_view name_of(DecayShape shape) {
  return first_name(kDecayShapeNames, shape);
}

LearningRateSchedule::LearningRateSchedule(ScheduleKind kind, double peak, Index total_steps,
                                           Index warmup_steps, const ScheduleShape& shape)
    : kind_(kind), peak_(peak), total_steps_(total_steps), warmup_steps_(warmup_steps) {
  if (!std::isfinite(peak) || peak < 0) {
    throw OptionError("[train] --lr: found {}; expected a finite number, at least 0", peak);
  }
  if (total_steps < 1) throw OptionError("[train] --steps: found {}; expected at least 1", total_steps);
  if (warmup_steps < 0)
    throw OptionError("[train] --warmup-steps: found {}; expected at least 0", warmup_steps);
  read_shape(shape);
}

void LearningRateSchedule::read_shape(const ScheduleShape& shape) {
  const std::initializer_list<ScheduleKind> with_floor = {
      ScheduleKind::kCosine, ScheduleKind::kCosineWithMinLr, ScheduleKind::kCosineWithRestarts,
      ScheduleKind::kPolynomial, ScheduleKind::kWarmupStableDecay};
  refuse_unused("--min-lr", shape.min_lr.has_value(), kind_, with_floor);
  refuse_unused("--min-lr-ratio", shape.min_lr_ratio.has_value(), kind_, with_floor);
  refuse_unused("--num-cycles", shape.num_cycles.has_value(), kind_, {ScheduleKind::kCosineWithRestarts});
  refuse_unused("--lr-power", shape.power.has_value(), kind_, {ScheduleKind::kPolynomial});
  refuse_unused("--lr-decay-steps", shape.decay_steps.has_value(), kind_, {ScheduleKind::kWarmupStableDecay});
  refuse_unused("--lr-decay-type", shape.decay.has_value(), kind_, {ScheduleKind::kWarmupStableDecay});

  if (shape.min_lr && shape.min_lr_ratio) {
    throw OptionError("[train] --min-lr, --min-lr-ratio: found both; expected one of them");
  }
  if (kind_ == ScheduleKind::kCosineWithMinLr && !shape.min_lr && !shape.min_lr_ratio) {
    throw OptionError(
        "[train] --lr-scheduler cosine_with_min_lr: found no floor; expected --min-lr or --min-lr-ratio");
  }
  const double share = shape.min_lr_ratio.value_or(0.0);
  if (!(share >= 0 && share <= 1)) {
    throw OptionError("[train] --min-lr-ratio: found {}; expected 0 to 1", share);
  }
  constexpr double kPolynomialEnd = 1e-7;  // of transformers
  const bool has_end = kind_ == ScheduleKind::kPolynomial && !shape.min_lr_ratio;
  const double floor = shape.min_lr.value_or(has_end ? std::min(kPolynomialEnd, peak_) : 0.0);
  if (!(floor >= 0 && floor <= peak_)) {
    throw OptionError("[train] --min-lr: found {}; expected 0 to {}, which is --lr", floor, peak_);
  }
  floor_ = floor > 0 ? floor / peak_ : share;

  num_cycles_ = static_cast<double>(shape.num_cycles.value_or(1));
  if (num_cycles_ < 1) throw OptionError("[train] --num-cycles: found {}; expected at least 1", num_cycles_);
  power_ = shape.power.value_or(1.0);
  if (!(power_ > 0) || !std::isfinite(power_)) {
    throw OptionError("[train] --lr-power: found {}; expected a finite number above 0", power_);
  }
  const Index after_warmup = std::max<Index>(0, total_steps_ - warmup_steps_);
  decay_steps_ = shape.decay_steps.value_or(std::min((total_steps_ + 9) / 10, after_warmup));
  if (decay_steps_ < 0 || decay_steps_ > after_warmup) {
    throw OptionError("[train] --lr-decay-steps: found {}; expected 0 to {}, the steps after the warm-up",
                      decay_steps_, after_warmup);
  }
  decay_ = shape.decay.value_or(DecayShape::kCosine);
}

double LearningRateSchedule::stable_then_decay(Index step) const {
  const Index stable_steps = total_steps_ - warmup_steps_ - decay_steps_;
  const Index decaying = step - warmup_steps_ - stable_steps;
  if (decaying < 0) return 1;
  if (decaying >= decay_steps_) return floor_;
  const double progress = ratio(decaying, decay_steps_);
  double factor = 1.0 - progress;
  if (decay_ == DecayShape::kCosine) factor = half_cosine(progress);
  if (decay_ == DecayShape::kOneMinusSqrt) factor = 1.0 - std::sqrt(progress);
  return floor_ + factor * (1.0 - floor_);
}

double LearningRateSchedule::factor_at(Index step) const {
  // Beyond the end the cosine would rise again; transformers lets it, a run never gets there.
  const double progress = std::min(1.0, ratio(step - warmup_steps_, total_steps_ - warmup_steps_));
  switch (kind_) {
    case ScheduleKind::kConstant:
      return 1;
    case ScheduleKind::kLinear:
      return std::max(0.0, ratio(total_steps_ - step, total_steps_ - warmup_steps_));
    case ScheduleKind::kCosine:
    case ScheduleKind::kCosineWithMinLr:
      return floor_ + half_cosine(progress) * (1.0 - floor_);
    case ScheduleKind::kCosineWithRestarts:
      if (progress >= 1) return floor_;
      return floor_ + half_cosine(std::fmod(num_cycles_ * progress, 1.0)) * (1.0 - floor_);
    case ScheduleKind::kPolynomial:
      return floor_ + std::pow(1.0 - progress, power_) * (1.0 - floor_);
    case ScheduleKind::kWarmupStableDecay:
      return stable_then_decay(step);
    case ScheduleKind::kInverseSqrt: {
      constexpr Index kTimescale = 10'000;  // of transformers, without warm-up
      const Index timescale = warmup_steps_ > 0 ? warmup_steps_ : kTimescale;
      return 1.0 / std::sqrt(ratio(step - warmup_steps_ + timescale, timescale));
    }
  }
  check_failed(__FILE__, __LINE__, "an unknown kind of schedule");
}

double LearningRateSchedule::at(Index step) const {
  LORRY_CHECK(step >= 0);
  if (step >= warmup_steps_) return peak_ * factor_at(step);
  const double rising = ratio(step, warmup_steps_);
  const bool from_floor = kind_ == ScheduleKind::kWarmupStableDecay;
  return peak_ * (from_floor ? floor_ + rising * (1.0 - floor_) : rising);
}

}  // namespace lorry::optim
