#include "ops/cpu/dropout.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>

#include "ops/reference/elementwise.hpp"
#include "support/near.hpp"
#include "support/random_matrix.hpp"

namespace lorry::ops::cpu {
namespace {

using reference::dense;
using testing::near;
using testing::random_matrix;
using testing::StridedMatrix;

constexpr DropoutKey kKey = {.rate = 0.1F, .seed = 0x123456789abcdefULL, .stream = 0xfedcba987654321ULL};

TEST(Dropout, MatchesReferenceForStridedViewsAndOddLengths) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const Index width : {1, 7, 8, 63, 64, 65, 1030}) {
      StridedMatrix x(5, width, dtype, 1);
      StridedMatrix y(5, width, dtype, 2);
      dropout(x, kKey, y);
      const auto want = reference::dropout(dense<double>(x), kKey);
      EXPECT_TRUE(near(y, want, testing::tolerance_of(dtype))) << width;
      for (Index i = 0; i < 5; ++i) {
        for (Index j = 0; j < width; ++j) {
          EXPECT_EQ(testing::get(y, i, j) == 0.0F, want(i, j) == 0.0) << i << " " << j;
        }
      }
      EXPECT_TRUE(y.surroundings_intact());
      dropout(x, kKey, x);
      EXPECT_TRUE(testing::same_bits(x, y));
    }
  }
}

TEST(Dropout, MaskDoesNotDependOnThreadsOrTypes) {
  Matrix ones(70, 3000);
  for (Index i = 0; i < ones.size(); ++i) ones.row<float>(0)[i] = 1.0F;
  Matrix one_thread(70, 3000);
  Matrix two_threads(70, 3000);
  Matrix narrow(70, 3000, DType::kBF16);
  omp_set_num_threads(1);
  dropout(ones, kKey, one_thread);
  omp_set_num_threads(2);
  dropout(ones, kKey, two_threads);
  dropout(ones, kKey, narrow);
  EXPECT_TRUE(testing::same_bits(one_thread, two_threads));
  for (Index i = 0; i < 70; ++i) {
    for (Index j = 0; j < 3000; ++j) {
      ASSERT_EQ(testing::get(narrow, i, j) == 0.0F, testing::get(one_thread, i, j) == 0.0F);
    }
  }
}

TEST(Dropout, DropsTheStatedShareAndKeepsTheMean) {
  constexpr Index kRows = 1000;
  constexpr Index kCols = 1000;
  Matrix ones(kRows, kCols);
  for (Index i = 0; i < ones.size(); ++i) ones.row<float>(0)[i] = 1.0F;
  Matrix y(kRows, kCols);
  for (const float rate : {0.0F, 0.05F, 0.5F, 0.9F}) {
    dropout(ones, {.rate = rate, .seed = 3, .stream = 4}, y);
    double dropped = 0;
    double sum = 0;
    for (Index i = 0; i < y.size(); ++i) {
      dropped += y.row<float>(0)[i] == 0.0F ? 1 : 0;
      sum += static_cast<double>(y.row<float>(0)[i]);
    }
    const double total = kRows * kCols;
    const double deviation = std::sqrt(double{rate} * (1.0 - double{rate}) / total);
    EXPECT_NEAR(dropped / total, double{rate}, 4 * deviation + 0x1p-16);
    EXPECT_NEAR(sum / total, 1.0, (4 * deviation + 0x1p-16) / (1.0 - double{rate}) + 1e-6);
  }
}

TEST(Dropout, AnotherStreamOrSeedIsAnotherMask) {
  const Matrix x = random_matrix(20, 100, DType::kF32, 1);
  Matrix base(20, 100);
  dropout(x, {.rate = 0.5F, .seed = 1, .stream = 1}, base);
  for (const DropoutKey key :
       {DropoutKey{0.5F, 1, 2}, DropoutKey{0.5F, 2, 1}, DropoutKey{0.5F, 1ULL << 40, 1}}) {
    Matrix other(20, 100);
    dropout(x, key, other);
    Index differ = 0;
    for (Index i = 0; i < x.size(); ++i) differ += base.row<float>(0)[i] != other.row<float>(0)[i] ? 1 : 0;
    EXPECT_NEAR(static_cast<double>(differ), 1000.0, 120.0);
  }
}

}  // namespace
}  // namespace lorry::ops::cpu
