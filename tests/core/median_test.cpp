#include "core/median.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace lorry {
namespace {

TEST(Median, IsTheMiddleOfTheFiniteValues) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(median({3}), 3);
  EXPECT_EQ(median({9, 1, 4}), 4);
  EXPECT_EQ(median({9, 1, 4, 2}), 3);
  EXPECT_EQ(median({kNan, 9, kInfinity, 1, -kInfinity, 4}), 4);
  EXPECT_EQ(median({1e308, 1e308}), 1e308);
  EXPECT_TRUE(std::isnan(median({})));
  EXPECT_TRUE(std::isnan(median({kNan})));
}

}  // namespace
}  // namespace lorry
