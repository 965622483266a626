// The random control against what is known of uniform subspaces.
#include "analysis/gaussian_control.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace lorry::analysis {
namespace {

TEST(GaussianControl, MeanAgreesWithItsExpectationWithinSamplingError) {
  const GaussianControl control = gaussian_control(96, 5, 12, 64, 3);
  for (Index i = 0; i < 5; ++i) {
    for (Index j = 0; j < 12; ++j) {
      EXPECT_DOUBLE_EQ(control.expectation.at(i, j), static_cast<double>(std::max(i, j) + 1) / 96);
      const double error = control.spread.at(i, j) / std::sqrt(64.0);
      EXPECT_NEAR(control.mean.at(i, j), control.expectation.at(i, j), 4 * error) << i << " " << j;
    }
  }
}

// (u^T v)^2 of two random unit vectors in d dimensions has variance 2 (d - 1) / (d^2 (d + 2)).
TEST(GaussianControl, SpreadOfTheTopDirectionIsThatOfTheBetaDistribution) {
  constexpr double kD = 50;
  const GaussianControl control = gaussian_control(50, 1, 1, 4000, 5);
  const double want = std::sqrt(2 * (kD - 1) / (kD * kD * (kD + 2)));
  EXPECT_NEAR(control.spread.at(0, 0), want, 0.1 * want);
  EXPECT_NEAR(control.mean.at(0, 0), 1 / kD, 4 * want / std::sqrt(4000.0));
}

TEST(GaussianControl, WholeSpaceContainsEverything) {
  const GaussianControl control = gaussian_control(8, 3, 8, 2);
  EXPECT_NEAR(control.mean.at(2, 7), 1.0, 1e-12);
  EXPECT_NEAR(control.spread.at(2, 7), 0.0, 1e-12);
}

TEST(GaussianControl, FollowsFromItsSeedAndSwapsWithItsSides) {
  const GaussianControl x = gaussian_control(40, 3, 5, 2, 9);
  EXPECT_EQ(x.mean.values, gaussian_control(40, 3, 5, 2, 9).mean.values);
  EXPECT_NE(x.mean.values, gaussian_control(40, 3, 5, 2, 10).mean.values);
  EXPECT_DOUBLE_EQ(x.mean.at(1, 4), gaussian_control(40, 5, 3, 2, 9).mean.at(4, 1));
}

TEST(ControlTable, HoldsWhatWasPreparedAndNothingForEmptyGrids) {
  ControlTable table(2, 1);
  table.prepare({{30, 2, 3}, {30, 0, 3}, {30, 2, 3}});
  ASSERT_NE(table.find(30, 2, 3), nullptr);
  EXPECT_EQ(table.find(30, 2, 3)->mean.values, gaussian_control(30, 2, 3, 2, 1).mean.values);
  EXPECT_EQ(table.find(30, 0, 3), nullptr);
  EXPECT_EQ(table.find(30, 3, 2), nullptr);
}

}  // namespace
}  // namespace lorry::analysis
