#include "train/loss_trend.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace lorry::train {
namespace {

LossTrend trend(Index steps, Index total, double slope) {
  LossTrend trend;
  for (Index step = 0; step < steps; ++step) trend.add(10.0 + slope * static_cast<double>(step), total);
  return trend;
}

TEST(LossTrend, ComparesTheFirstTenthWithTheLast) {
  const std::optional<LossChange> change = trend(50, 50, -0.1).change();
  ASSERT_TRUE(change);
  EXPECT_NEAR(change->first, 10.0 - 0.2, 1e-12);  // steps 0 to 4
  EXPECT_NEAR(change->last, 10.0 - 4.7, 1e-12);   // steps 45 to 49
  // Five numbers 0.1 apart: variance 0.025, of each mean 0.005.
  EXPECT_NEAR(change->noise, 0.1, 1e-12);
}

TEST(LossTrend, SaysNothingOfTooFewSteps) {
  EXPECT_FALSE(trend(5, 5, 1.0).change());
  EXPECT_TRUE(trend(6, 6, 1.0).change());
  EXPECT_FALSE(trend(102, 1000, 1.0).change()) << "stopped early";
  EXPECT_NEAR(trend(150, 1000, 1.0).change()->last, 10.0 + 124.5, 1e-12);
}

TEST(LossTrend, StartsAtTheFirstStepWhereTheNextOnesThrewItOff) {
  LossTrend thrown;
  for (const double loss : {5.0, 10.0, 12.0, 9.0, 7.0, 5.1, 5.0, 4.9}) thrown.add(loss, 8);
  ASSERT_TRUE(thrown.change());
  EXPECT_EQ(thrown.change()->first, 5.0);
  EXPECT_NEAR(thrown.change()->last, 5.0, 1e-12);
  EXPECT_NEAR(thrown.change()->noise, std::hypot(0.1, 0.1 / std::sqrt(3)), 1e-12);
  // An easy first batch is not that: steps differ as much at the end.
  LossTrend easy;
  for (const double loss : {2.0, 3.5, 3.2, 3.0, 0.5, 1.5, 1.0}) easy.add(loss, 7);
  ASSERT_TRUE(easy.change());
  EXPECT_NEAR(easy.change()->first, 2.9, 1e-12);
}

TEST(LossTrend, KeepsAHundredAtMostOfEachEnd) {
  const LossTrend long_run = trend(5000, 5000, 0.001);
  EXPECT_EQ(long_run.first().size(), 100U);
  EXPECT_EQ(long_run.last().size(), 100U);
  EXPECT_EQ(long_run.last().back(), 10.0 + 0.001 * 4999);
}

TEST(LossTrend, GoesOnAsItWas) {
  const LossTrend half = trend(30, 60, -0.1);
  LossTrend other(half.first(), half.last());
  LossTrend same = half;
  for (LossTrend* one : {&other, &same}) {
    for (int i = 0; i < 30; ++i) one->add(1.0 / (i + 1), 60);
  }
  EXPECT_EQ(other.change()->last, same.change()->last);
  EXPECT_EQ(other.change()->noise, same.change()->noise);
}

}  // namespace
}  // namespace lorry::train
