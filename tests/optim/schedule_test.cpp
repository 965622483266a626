#include "optim/schedule.hpp"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <string>

#include "core/error.hpp"

namespace lorry::optim {
namespace {

constexpr double kPeak = 2e-4;
using Rates = std::array<double, 12>;

// transformers 5.23.0, torch 2.15.0: scripts/golden/schedules.py; 12 steps, 4 of them warm-up.
constexpr Rates kConstant = {0, 5e-5, 1e-4, 1.5e-4, 2e-4, 2e-4, 2e-4, 2e-4, 2e-4, 2e-4, 2e-4, 2e-4};
constexpr Rates kLinear = {0, 5e-5, 1e-4, 1.5e-4, 2e-4, 1.75e-4, 1.5e-4, 1.25e-4, 1e-4, 7.5e-5, 5e-5, 2.5e-5};
constexpr Rates kCosine = {0,    5e-5,          1e-4,          1.5e-4,
                           2e-4, 1.92387953e-4, 1.70710678e-4, 1.38268343e-4,
                           1e-4, 6.17316568e-5, 2.92893219e-5, 7.61204675e-6};
constexpr Rates kCosineFloor = {0,       5e-5,          1e-4,           1.5e-4,
                                2e-4,    1.9352976e-4,  1.75104076e-4,  1.47528092e-4,
                                1.15e-4, 8.24719082e-5, 5.48959236e-05, 3.64702397e-05};
constexpr Rates kCosineFloorRatio = {0,       5e-5,          1e-4,          1.5e-4,
                                     2e-4,    1.94290965e-4, 1.78033009e-4, 1.53701257e-4,
                                     1.25e-4, 9.62987426e-5, 7.19669914e-5, 5.57090351e-5};
constexpr Rates kRestarts = {0,    5e-5,          1e-4,          1.5e-4,
                             2e-4, 1.38268343e-4, 2.92893219e-5, 1.92387953e-4,
                             1e-4, 7.61204675e-6, 1.70710678e-4, 6.17316568e-5};
constexpr Rates kPolynomial = {0,          5e-5,        1e-4,      1.5e-4,     2e-4,      1.750125e-4,
                               1.50025e-4, 1.250375e-4, 1.0005e-4, 7.50625e-5, 5.0075e-5, 2.50875e-5};
constexpr Rates kPolynomialCubed = {0,        5e-5,           1e-4,        1.5e-4,
                                    2e-4,     1.37285156e-4,  9.015625e-5, 5.63867187e-5,
                                    3.375e-5, 2.001953125e-5, 1.296875e-5, 1.037109375e-5};
constexpr Rates kInverseSqrt = {0,
                                5e-5,
                                1e-4,
                                1.5e-4,
                                2e-4,
                                1.78885438e-4,
                                1.63299316e-4,
                                1.51185789e-4,
                                1.41421356e-4,
                                1.33333333e-4,
                                1.26491106e-4,
                                1.20604538e-4};
constexpr Rates kStable = {0,    5e-5, 1e-4,          1.5e-4,        2e-4,          2e-4,
                           2e-4, 2e-4, 1.80901699e-4, 1.30901699e-4, 6.90983006e-5, 1.90983006e-5};
constexpr Rates kStableLinear = {2e-5, 6.5e-5, 1.1e-4,  1.55e-4, 2e-4,   2e-4,
                                 2e-4, 2e-4,   1.64e-4, 1.28e-4, 9.2e-5, 5.6e-5};
constexpr Rates kStableRoot = {0,    5e-5, 1e-4, 1.5e-4, 2e-4,          2e-4,
                               2e-4, 2e-4, 2e-4, 2e-4,   8.45299462e-5, 3.67006838e-5};

void expect_rates(ScheduleKind kind, const ScheduleShape& shape, const Rates& expected) {
  const LearningRateSchedule schedule(kind, kPeak, 12, 4, shape);
  for (std::size_t k = 0; k < expected.size(); ++k) {
    EXPECT_NEAR(schedule.at(static_cast<Index>(k)), expected[k], 1e-12) << name_of(kind) << " step " << k;
  }
}

TEST(LearningRateSchedule, MatchesTransformers) {
  expect_rates(ScheduleKind::kConstant, {}, kConstant);
  expect_rates(ScheduleKind::kLinear, {}, kLinear);
  expect_rates(ScheduleKind::kCosine, {}, kCosine);
  expect_rates(ScheduleKind::kInverseSqrt, {}, kInverseSqrt);
}

TEST(LearningRateSchedule, CosinesWithAFloorOrRestartsMatchTransformers) {
  expect_rates(ScheduleKind::kCosineWithMinLr, {.min_lr = 3e-5}, kCosineFloor);
  expect_rates(ScheduleKind::kCosineWithMinLr, {.min_lr_ratio = 0.25}, kCosineFloorRatio);
  expect_rates(ScheduleKind::kCosine, {.min_lr = 3e-5}, kCosineFloor);
  expect_rates(ScheduleKind::kCosineWithRestarts, {}, kCosine);
  expect_rates(ScheduleKind::kCosineWithRestarts, {.num_cycles = 3}, kRestarts);
  const LearningRateSchedule both(ScheduleKind::kCosineWithRestarts, kPeak, 12, 4,
                                  {.min_lr_ratio = 0.25, .num_cycles = 3});
  EXPECT_NEAR(both.at(9), 0.25 * kPeak + 0.75 * kRestarts[9], 1e-12);
  EXPECT_EQ(both.at(12), 0.25 * kPeak);
}

TEST(LearningRateSchedule, PolynomialMatchesTransformers) {
  expect_rates(ScheduleKind::kPolynomial, {}, kPolynomial);
  expect_rates(ScheduleKind::kPolynomial, {.min_lr = 1e-5, .power = 3.0}, kPolynomialCubed);
  expect_rates(ScheduleKind::kPolynomial, {.min_lr = 0.0}, kLinear);
}

TEST(LearningRateSchedule, WarmupStableDecayMatchesTransformers) {
  const auto kind = ScheduleKind::kWarmupStableDecay;
  expect_rates(kind, {.decay_steps = 5}, kStable);
  expect_rates(kind, {.min_lr_ratio = 0.1, .decay_steps = 5, .decay = DecayShape::kLinear}, kStableLinear);
  expect_rates(kind, {.decay_steps = 3, .decay = DecayShape::kOneMinusSqrt}, kStableRoot);
  const LearningRateSchedule tenth(kind, 1.0, 40, 0);  // falls in the last tenth: four steps
  EXPECT_EQ(tenth.at(36), 1.0);
  EXPECT_LT(tenth.at(37), 1.0);
  EXPECT_EQ(tenth.at(40), 0.0);
}

TEST(LearningRateSchedule, WithoutWarmupStartsAtThePeakAndEndsAtZero) {
  for (const auto kind : {ScheduleKind::kConstant, ScheduleKind::kLinear, ScheduleKind::kCosine,
                          ScheduleKind::kCosineWithRestarts, ScheduleKind::kWarmupStableDecay}) {
    const LearningRateSchedule schedule(kind, 0.5, 10, 0);
    EXPECT_EQ(schedule.at(0), 0.5) << name_of(kind);
    EXPECT_EQ(schedule.at(10), kind == ScheduleKind::kConstant ? 0.5 : 0.0) << name_of(kind);
    EXPECT_EQ(schedule.at(15), schedule.at(10)) << name_of(kind);
  }
  const LearningRateSchedule schedule(ScheduleKind::kInverseSqrt, kPeak, 12, 0);
  EXPECT_EQ(schedule.at(0), kPeak);
  EXPECT_NEAR(schedule.at(11), 1.99890091e-4, 1e-12);
}

TEST(LearningRateSchedule, WarmupBeyondTheEndNeverStopsRising) {
  for (const auto& [name, kind] : kScheduleNames) {
    const double floor = kind == ScheduleKind::kCosineWithMinLr ? 0.1 : 0.0;
    ScheduleShape shape;
    if (floor > 0) shape.min_lr_ratio = floor;
    const LearningRateSchedule schedule(kind, 1.0, 10, 20, shape);
    EXPECT_EQ(schedule.at(9), 0.45) << name;
  }
}

TEST(LearningRateSchedule, RefusesBadNumbers) {
  const auto kind = ScheduleKind::kLinear;
  EXPECT_THROW(LearningRateSchedule(kind, -1.0, 10, 0), Error);
  EXPECT_THROW(LearningRateSchedule(kind, std::numeric_limits<double>::quiet_NaN(), 10, 0), Error);
  EXPECT_THROW(LearningRateSchedule(kind, 1.0, 0, 0), Error);
  EXPECT_THROW(LearningRateSchedule(kind, 1.0, 10, -1), Error);
}

std::string error_of(ScheduleKind kind, const ScheduleShape& shape) {
  try {
    const LearningRateSchedule schedule(kind, 1e-3, 10, 2, shape);
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

TEST(LearningRateSchedule, RefusesAShapeOutOfRange) {
  const auto wsd = ScheduleKind::kWarmupStableDecay;
  EXPECT_EQ(error_of(ScheduleKind::kCosine, {.min_lr = 2e-3}),
            "[train] --min-lr: found 0.002; expected 0 to 0.001, which is --lr");
  EXPECT_EQ(error_of(wsd, {.decay_steps = 9}),
            "[train] --lr-decay-steps: found 9; expected 0 to 8, the steps after the warm-up");
  EXPECT_EQ(error_of(ScheduleKind::kCosineWithMinLr, {}),
            "[train] --lr-scheduler cosine_with_min_lr: found no floor; expected --min-lr or --min-lr-ratio");
  EXPECT_EQ(error_of(wsd, {.min_lr = 1e-4, .min_lr_ratio = 0.1}),
            "[train] --min-lr, --min-lr-ratio: found both; expected one of them");
  EXPECT_EQ(error_of(wsd, {.min_lr_ratio = 1.5}), "[train] --min-lr-ratio: found 1.5; expected 0 to 1");
  EXPECT_NE(error_of(ScheduleKind::kCosineWithRestarts, {.num_cycles = 0}), "none");
  EXPECT_NE(error_of(ScheduleKind::kPolynomial, {.power = 0.0}), "none");
}

TEST(LearningRateSchedule, RefusesAShapeThatItsKindWouldIgnore) {
  EXPECT_EQ(error_of(ScheduleKind::kLinear, {.min_lr = 1e-4}),
            "[train] --min-lr: has no effect with --lr-scheduler linear; expected it without");
  EXPECT_NE(error_of(ScheduleKind::kConstant, {.min_lr_ratio = 0.1}), "none");
  EXPECT_NE(error_of(ScheduleKind::kCosine, {.num_cycles = 2}), "none");
  EXPECT_NE(error_of(ScheduleKind::kCosine, {.power = 2.0}), "none");
  EXPECT_NE(error_of(ScheduleKind::kPolynomial, {.decay_steps = 2}), "none");
  EXPECT_NE(error_of(ScheduleKind::kPolynomial, {.decay = DecayShape::kLinear}), "none");
}

TEST(ScheduleNames, AreThoseOfTheReport) {
  EXPECT_EQ(name_of(ScheduleKind::kCosine), "cosine");
  EXPECT_EQ(name_of(ScheduleKind::kConstant), "constant");
  EXPECT_EQ(name_of(ScheduleKind::kWarmupStableDecay), "warmup_stable_decay");
  EXPECT_EQ(name_of(DecayShape::kOneMinusSqrt), "1-sqrt");
}

}  // namespace
}  // namespace lorry::optim
