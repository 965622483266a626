#include "nn/rope_table.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

namespace lorry::nn {

namespace {

float scaled_frequency(const RopeConfig& config, float frequency) {
  if (config.scaling == RopeScaling::kNone) return frequency;
  if (config.scaling == RopeScaling::kLinear) return frequency / config.factor;
  const auto original = static_cast<float>(config.original_max_position_embeddings);
  const float wavelength = 2.0F * std::numbers::pi_v<float> / frequency;
  if (wavelength < original / config.high_freq_factor) return frequency;
  if (wavelength > original / config.low_freq_factor) return frequency / config.factor;
  const float smooth =
      (original / wavelength - config.low_freq_factor) / (config.high_freq_factor - config.low_freq_factor);
  return (1.0F - smooth) * frequency / config.factor + smooth * frequency;
}

}  // namespace

Matrix make_rope_table(const RopeConfig& config, Index head_dim, Index positions) {
  LORRY_CHECK(head_dim % 2 == 0);
  const Index half = head_dim / 2;
  std::vector<float> frequencies;
  for (Index i = 0; i < half; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    frequencies.push_back(scaled_frequency(config, 1.0F / std::pow(config.theta, exponent)));
  }
  if (!config.divisors.empty()) {
    LORRY_CHECK_EQ(std::ssize(config.divisors), half);
    std::transform(frequencies.begin(), frequencies.end(), config.divisors.begin(), frequencies.begin(),
                   std::divides<>());
  }
  Matrix table(positions, head_dim);
  for (Index p = 0; p < positions; ++p) {
    float* row = table.row<float>(p);
    for (Index i = 0; i < half; ++i) {
      // float32 product first, as the reference does: late positions would differ otherwise.
      const float angle = static_cast<float>(p) * frequencies[static_cast<std::size_t>(i)];
      row[i] = std::cos(angle);
      row[half + i] = std::sin(angle);
    }
  }
  return table;
}

}  // namespace lorry::nn
