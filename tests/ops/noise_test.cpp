#include "ops/cpu/noise.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <vector>

#include "ops/reference/elementwise.hpp"
#include "support/near.hpp"
#include "support/random_matrix.hpp"

namespace lorry::ops::cpu {
namespace {

using reference::dense;

constexpr NoiseKey kKey = {.seed = 0x123456789abcdefULL, .stream = 0xfedcba987654321ULL};

TEST(Noise, MatchesReferenceForStridedViewsAndOddLengths) {
  const std::vector<float> magnitude = {0.5F, 0.0F, 2.0F, 0.25F, 1.0F};
  for (const Index width : {1, 3, 4, 5, 63, 1030}) {
    testing::StridedMatrix x(5, width, DType::kF32, 1);
    auto want = dense<double>(x);
    reference::add_noise(magnitude, kKey, want);
    add_noise(magnitude, kKey, x);
    EXPECT_TRUE(testing::near(x, want, {.max_rel = 1e-7, .cosine = 1e-13})) << width;
    EXPECT_TRUE(x.surroundings_intact());
  }
}

TEST(Noise, IsUniformWithinItsMagnitudeAndTheSameForEveryNumberOfThreads) {
  const std::vector<float> magnitude(64, 0.25F);
  Matrix one(64, 4001);
  Matrix two(64, 4001);
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  add_noise(magnitude, kKey, one);
  omp_set_num_threads(2);
  add_noise(magnitude, kKey, two);
  omp_set_num_threads(before);
  EXPECT_TRUE(testing::same_bits(one, two));
  double sum = 0;
  double squares = 0;
  for (Index i = 0; i < one.size(); ++i) {
    const auto draw = static_cast<double>(one.row<float>(0)[i]);
    ASSERT_LE(std::abs(draw), 0.25);
    sum += draw;
    squares += draw * draw;
  }
  const auto count = static_cast<double>(one.size());
  // Standard deviations of the two means: 2.9e-4 and 3.7e-5.
  EXPECT_NEAR(sum / count, 0.0, 1.2e-3);
  EXPECT_NEAR(squares / count, 0.25 * 0.25 / 3, 1.5e-4);
}

}  // namespace
}  // namespace lorry::ops::cpu
