// Numbers as people read them.
#include "report/number.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "report/nan.hpp"

namespace lorry::report {
namespace {

TEST(FormatNumber, KeepsSignificantDigitsIncludingZeros) {
  EXPECT_EQ(format_number(0.48213), "0.4821");
  EXPECT_EQ(format_number(0.5), "0.5000");
  EXPECT_EQ(format_number(12.3), "12.30");
  EXPECT_EQ(format_number(-12.3, 2), "-12");
  EXPECT_EQ(format_number(9.99996), "10.00");
  EXPECT_EQ(format_number(0.00012346), "0.0001235");
}

TEST(FormatNumber, WritesLargeNumbersOutAndVeryLargeOnesWithAShortExponent) {
  EXPECT_EQ(format_number(1234.0), "1234");
  EXPECT_EQ(format_number(61953.4), "61953");
  EXPECT_EQ(format_number(999499.4), "999499");
  EXPECT_EQ(format_number(999999.9), "1.000e6");
  EXPECT_EQ(format_number(1.2346e7), "1.235e7");
  EXPECT_EQ(format_number(1.2346e-7), "1.235e-7");
  EXPECT_EQ(format_number(1e300, 1), "1e300");
  EXPECT_EQ(format_number(5e-324), "4.941e-324");
}

TEST(FormatNumber, NeverPrintsNan) {
  EXPECT_EQ(format_number(kNan), "-");
  EXPECT_EQ(format_fixed(kNan, 3), "-");
  EXPECT_EQ(format_spread(kNan, 0.1), "-");
  EXPECT_EQ(format_spread(0.5, kNan), "0.5000");
  EXPECT_EQ(format_exact(kNan), "");
  EXPECT_EQ(format_number(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(format_number(-std::numeric_limits<double>::infinity()), "-inf");
}

TEST(FormatNumber, ZeroHasNoSign) {
  EXPECT_EQ(format_number(-0.0), "0");
  EXPECT_EQ(format_fixed(-0.0001, 2), "0.00");
  EXPECT_EQ(format_exact(-0.0), "0");
}

TEST(FormatFixed, KeepsDecimals) {
  EXPECT_EQ(format_fixed(0.5, 3), "0.500");
  EXPECT_EQ(format_fixed(-1234.567, 1), "-1234.6");
  EXPECT_EQ(format_fixed(2.5e20, 3), "2.500e20");
}

TEST(FormatSpread, CutsBothAtTheSpreadsSecondDigit) {
  EXPECT_EQ(format_spread(0.512345, 0.0139), "0.512 ± 0.014");
  EXPECT_EQ(format_spread(73.72, 0.5), "73.72 ± 0.50");
  EXPECT_EQ(format_spread(1234.5, 120.0), "1234 ± 120");
  EXPECT_EQ(format_spread(0.5, 0.0), "0.5000 ± 0");
  EXPECT_EQ(format_spread(1.0, 1e-12), "1.000 ± 1.0e-12");
}

TEST(FormatExact, ReadsBackAsTheSameNumber) {
  for (const double value : {0.1, 1.0 / 3.0, 1e300, 5e-324, -123456789.125, 1e15, 1e22}) {
    EXPECT_EQ(std::stod(format_exact(std::abs(value) < 1e-300 ? 1e-300 : value)),
              std::abs(value) < 1e-300 ? 1e-300 : value);
  }
  EXPECT_EQ(format_exact(1000000.0), "1000000");
  EXPECT_EQ(format_exact(0.1), "0.1");
}

}  // namespace
}  // namespace lorry::report
