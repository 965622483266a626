// Colours that can be told apart: on white, on the dark page, and in grey print.
#include "report/color.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace lorry::report {
namespace {

double channel(std::string_view color, std::size_t at) {
  const double c = std::stoi(std::string(color.substr(at, 2)), nullptr, 16) / 255.0;
  return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
}

// Relative luminance and contrast as WCAG 2 defines them.
double luminance(std::string_view color) {
  return 0.2126 * channel(color, 1) + 0.7152 * channel(color, 3) + 0.0722 * channel(color, 5);
}

double contrast(std::string_view a, std::string_view b) {
  const double x = luminance(a) + 0.05;
  const double y = luminance(b) + 0.05;
  return std::max(x, y) / std::min(x, y);
}

TEST(Ramp, LightnessRisesWithEveryStep) {
  for (Index step = 1; step < kRampSteps; ++step) {
    EXPECT_GT(luminance(ramp_color(step)), luminance(ramp_color(step - 1))) << step;
  }
  EXPECT_EQ(ramp_color(0), "#440154");
  EXPECT_EQ(ramp_color(kRampSteps - 1), "#fde725");
}

TEST(Ramp, StepsDivideTheScaleEvenly) {
  EXPECT_EQ(ramp_step(0.0, 0.0, 1.0), 0);
  EXPECT_EQ(ramp_step(0.0156, 0.0, 1.0), 0);
  EXPECT_EQ(ramp_step(0.0157, 0.0, 1.0), 1);
  EXPECT_EQ(ramp_step(0.5, 0.0, 1.0), 32);
  EXPECT_EQ(ramp_step(1.0, 0.0, 1.0), 63);
  EXPECT_EQ(ramp_step(-1e308, 0.0, 1.0), 0);
  EXPECT_EQ(ramp_step(1e308, -1e308, 1e308), 63);
}

TEST(SeriesColors, StandOutFromBothPages) {
  for (const std::string_view color : kSeriesOnLight) EXPECT_GE(contrast(color, "#ffffff"), 3.0) << color;
  for (const std::string_view color : kSeriesOnDark) EXPECT_GE(contrast(color, "#14181c"), 3.0) << color;
  EXPECT_GE(contrast(kInk, kPaper), 7.0);
  EXPECT_GE(contrast(kAxisColor, kPaper), 4.5);
}

}  // namespace
}  // namespace lorry::report
