#include "nn/rope_table.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace lorry::nn {
namespace {

/// Every row holds the cosines, then the sines, of position times these frequencies.
void expect_table(const Matrix& table, const std::vector<double>& frequencies) {
  const auto half = static_cast<Index>(frequencies.size());
  ASSERT_EQ(table.cols(), 2 * half);
  for (Index p = 0; p < table.rows(); ++p) {
    for (Index i = 0; i < half; ++i) {
      const double angle = static_cast<double>(p) * frequencies[static_cast<std::size_t>(i)];
      const double allowed = 1e-6 + 2e-7 * angle;  // a float32 angle has 24 bits
      EXPECT_NEAR(table.row<float>(p)[i], std::cos(angle), allowed) << p << ", " << i;
      EXPECT_NEAR(table.row<float>(p)[half + i], std::sin(angle), allowed) << p << ", " << i;
    }
  }
}

TEST(RopeTable, PlainFrequenciesArePowersOfTheta) {
  expect_table(make_rope_table({.theta = 10000.0F}, 8, 300), {1.0, 0.1, 0.01, 0.001});
  expect_table(make_rope_table({.theta = 1e6F}, 4, 50), {1.0, 1e-3});
}

TEST(RopeTable, LinearScalingStretchesPositions) {
  expect_table(make_rope_table({.theta = 10000.0F, .scaling = RopeScaling::kLinear, .factor = 4.0F}, 8, 300),
               {0.25, 0.025, 0.0025, 0.00025});
}

TEST(RopeTable, DivisorsComeOnTopOfTheScaling) {
  expect_table(make_rope_table({.theta = 10000.0F,
                                .scaling = RopeScaling::kLinear,
                                .factor = 2.0F,
                                .divisors = {1.0F, 2.0F, 4.0F, 8.0F}},
                               8, 100),
               {0.5, 0.025, 0.00125, 0.0000625});
}

TEST(RopeTable, Llama3ScalingHasTheFrequenciesOfTransformers) {
  // LlamaRotaryEmbedding(config).inv_freq of transformers 5.23.0, for exactly this config: high ones kept,
  // low ones divided by 8, the second and third between.
  const std::vector<double> frequencies = {1.0,
                                           0.07940301299095154,
                                           0.004700753837823868,
                                           0.0009115831344388425,
                                           0.00017677668074611574,
                                           3.428102354519069e-05,
                                           6.647869668086059e-06,
                                           1.289173155782919e-06};
  const RopeConfig config = {.theta = 500000.0F,
                             .scaling = RopeScaling::kLlama3,
                             .factor = 8.0F,
                             .low_freq_factor = 1.0F,
                             .high_freq_factor = 4.0F,
                             .original_max_position_embeddings = 64};
  expect_table(make_rope_table(config, 16, 1000), frequencies);
}

}  // namespace
}  // namespace lorry::nn
