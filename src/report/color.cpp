#include "report/color.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/check.hpp"

namespace lorry::report {

namespace {

using Rgb = std::array<double, 3>;

constexpr std::array<Rgb, 10> kViridis = {{{0x44, 0x01, 0x54},
                                           {0x48, 0x28, 0x78},
                                           {0x3e, 0x49, 0x89},
                                           {0x31, 0x68, 0x8e},
                                           {0x26, 0x82, 0x8e},
                                           {0x1f, 0x9e, 0x89},
                                           {0x35, 0xb7, 0x79},
                                           {0x6e, 0xce, 0x58},
                                           {0xb5, 0xde, 0x2b},
                                           {0xfd, 0xe7, 0x25}}};

}  // namespace

std::string ramp_color(Index step) {
  LORRY_CHECK(step >= 0 && step < kRampSteps);
  const double place = static_cast<double>(step) / (kRampSteps - 1) * (kViridis.size() - 1);
  const std::size_t below = std::min(static_cast<std::size_t>(place), kViridis.size() - 2);
  const double part = place - static_cast<double>(below);
  std::array<int, 3> rgb{};
  for (std::size_t i = 0; i < rgb.size(); ++i) {
    rgb[i] = static_cast<int>(std::lround((1.0 - part) * kViridis[below][i] + part * kViridis[below + 1][i]));
  }
  return fmt::format("#{:02x}{:02x}{:02x}", rgb[0], rgb[1], rgb[2]);
}

Index ramp_step(double value, double low, double high) {
  // Divided before the difference, which could overflow.
  const double width = high / 2 - low / 2;
  const double place = (value / 2 - low / 2) / width * kRampSteps;
  if (!(place > 0.0)) return 0;
  return place >= kRampSteps ? kRampSteps - 1 : static_cast<Index>(place);
}

}  // namespace lorry::report
