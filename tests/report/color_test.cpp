// Colours that can be told apart: on white, on the dark page, and in grey print.
#include "report/color.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

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

using Vector = std::array<double, 3>;
using Rows = std::array<Vector, 3>;

Vector product(const Rows& rows, const Vector& v) {
  Vector out{};
  for (std::size_t i = 0; i < 3; ++i) out[i] = rows[i][0] * v[0] + rows[i][1] * v[1] + rows[i][2] * v[2];
  return out;
}

// CIELAB of a colour as eyes see it whose cones change linear RGB so.
Vector lab(std::string_view color, const Rows& eyes) {
  const Rows xyz_of = {{{0.4124564, 0.3575761, 0.1804375},
                        {0.2126729, 0.7151522, 0.0721750},
                        {0.0193339, 0.1191920, 0.9503041}}};
  const Vector xyz =
      product(xyz_of, product(eyes, {channel(color, 1), channel(color, 3), channel(color, 5)}));
  const auto f = [](double t) { return t > 216.0 / 24389 ? std::cbrt(t) : (24389.0 / 27 * t + 16) / 116; };
  const double x = f(xyz[0] / 0.95047), y = f(xyz[1]), z = f(xyz[2] / 1.08883);
  return {116 * y - 16, 500 * (x - y), 200 * (y - z)};
}

// The smallest distance (CIE 1976) of any two of them.
double least_distance(const std::array<std::string_view, kSeriesColors>& colors, const Rows& eyes) {
  double least = 1e9;
  for (std::size_t i = 0; i < colors.size(); ++i) {
    const Vector a = lab(colors[i], eyes);
    for (std::size_t j = 0; j < i; ++j) {
      const Vector b = lab(colors[j], eyes);
      least = std::min(least, std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]));
    }
  }
  return least;
}

TEST(SeriesColors, AreFarFromEachOtherAlsoWithoutRedOrGreenCones) {
  const Rows all_cones = {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
  // Machado, Oliveira and Fernandes 2009, severity 1.
  const Rows no_red = {
      {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}}};
  const Rows no_green = {
      {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}}};
  for (const auto& colors : {kSeriesOnLight, kSeriesOnDark}) {
    EXPECT_GE(least_distance(colors, all_cones), 30.0) << colors[0];
    EXPECT_GE(least_distance(colors, no_red), 12.0) << colors[0];
    EXPECT_GE(least_distance(colors, no_green), 12.0) << colors[0];
  }
}

}  // namespace
}  // namespace lorry::report
