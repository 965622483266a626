#include "optim/schedule.hpp"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <string>

#include "core/error.hpp"

namespace lorry::optim {
namespace {

// torch.optim.lr_scheduler steps of transformers 5.23 get_scheduler(name, lr 2e-4, 4 warm-up steps, 12
// steps).
constexpr std::array<double, 12> kConstant = {0,    5e-5, 1e-4, 1.5e-4, 2e-4, 2e-4,
                                              2e-4, 2e-4, 2e-4, 2e-4,   2e-4, 2e-4};
constexpr std::array<double, 12> kLinear = {0,      5e-5,    1e-4, 1.5e-4, 2e-4, 1.75e-4,
                                            1.5e-4, 1.25e-4, 1e-4, 7.5e-5, 5e-5, 2.5e-5};
constexpr std::array<double, 12> kCosine = {0,    5e-5,          1e-4,          1.5e-4,
                                            2e-4, 1.92387953e-4, 1.70710678e-4, 1.38268343e-4,
                                            1e-4, 6.17316568e-5, 2.92893219e-5, 7.61204675e-6};

void expect_rates(ScheduleKind kind, const std::array<double, 12>& expected) {
  const LearningRateSchedule schedule(kind, 2e-4F, 12, 4);
  for (std::size_t k = 0; k < expected.size(); ++k) {
    EXPECT_NEAR(schedule.at(static_cast<Index>(k)), expected[k], 1e-10) << name_of(kind) << " step " << k;
  }
}

TEST(LearningRateSchedule, MatchesTransformers) {
  expect_rates(ScheduleKind::kConstant, kConstant);
  expect_rates(ScheduleKind::kLinear, kLinear);
  expect_rates(ScheduleKind::kCosine, kCosine);
}

TEST(LearningRateSchedule, WithoutWarmupStartsAtThePeakAndEndsAtZero) {
  for (const auto kind : {ScheduleKind::kConstant, ScheduleKind::kLinear, ScheduleKind::kCosine}) {
    const LearningRateSchedule schedule(kind, 0.5F, 10, 0);
    EXPECT_EQ(schedule.at(0), 0.5F);
    EXPECT_EQ(schedule.at(10), kind == ScheduleKind::kConstant ? 0.5F : 0.0F);
    EXPECT_EQ(schedule.at(15), schedule.at(10));
  }
}

TEST(LearningRateSchedule, RefusesBadNumbers) {
  const auto kind = ScheduleKind::kLinear;
  EXPECT_THROW(LearningRateSchedule(kind, -1.0F, 10, 0), Error);
  EXPECT_THROW(LearningRateSchedule(kind, std::numeric_limits<float>::quiet_NaN(), 10, 0), Error);
  EXPECT_THROW(LearningRateSchedule(kind, 1.0F, 0, 0), Error);
  EXPECT_THROW(LearningRateSchedule(kind, 1.0F, 10, -1), Error);
}

TEST(ScheduleNames, AreThoseOfTheReport) {
  for (const auto& [name, kind] : kScheduleNames) EXPECT_EQ(name_of(kind), name);
  EXPECT_EQ(name_of(ScheduleKind::kCosine), "cosine");
}

}  // namespace
}  // namespace lorry::optim
