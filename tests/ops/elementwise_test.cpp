#include "ops/cpu/elementwise.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <bit>
#include <cmath>
#include <limits>

#include "ops/reference/elementwise.hpp"
#include "ops/reference/matmul.hpp"
#include "support/near.hpp"
#include "support/random_matrix.hpp"

namespace lorry::ops::cpu {
namespace {

using reference::Dense;
using reference::dense;
using testing::near;
using testing::random_matrix;
using testing::StridedMatrix;
using testing::tolerance_of;

constexpr DType kBoth[] = {DType::kF32, DType::kBF16};
constexpr DType kFiles[] = {DType::kF32, DType::kF16, DType::kBF16};
constexpr Index kWidths[] = {1, 3, 7, 15, 16, 17, 33, 1030};

TEST(Copy, RoundsEveryPairOfTypesAsTheScalarConversionsDo) {
  for (const DType from : kFiles) {
    for (const DType to : kFiles) {
      for (const Index width : kWidths) {
        StridedMatrix x(5, width, from, 1);
        StridedMatrix y(5, width, to);
        Matrix want(5, width, to);
        for (Index i = 0; i < 5; ++i) {
          for (Index j = 0; j < width; ++j) testing::put(want, i, j, testing::get(x, i, j));
        }
        copy(x, y);
        EXPECT_TRUE(testing::same_bits(y, want)) << name_of(from) << " to " << name_of(to) << " " << width;
        EXPECT_TRUE(y.surroundings_intact());
      }
    }
  }
}

TEST(Copy, KeepsInfinitiesNansAndSmallNumbers) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const float specials[] = {0.0F,
                            -0.0F,
                            kInf,
                            -kInf,
                            std::nanf(""),
                            65520.0F,
                            6e-8F,
                            -3e-8F,
                            3.4e38F,
                            1e-40F,
                            1e-45F,
                            65504.0F,
                            1.0F + 0x1p-8F,
                            -2e-5F,
                            std::bit_cast<float>(0x7f800001U),
                            1.0F + 3 * 0x1p-8F};
  constexpr Index kCount = std::size(specials);
  for (const DType to : kFiles) {
    Matrix x(1, kCount);
    std::copy(std::begin(specials), std::end(specials), x.row<float>(0));
    Matrix y(1, kCount, to);
    copy(x, y);
    for (Index j = 0; j < kCount; ++j) {
      Matrix want(1, 1, to);
      testing::put(want, 0, 0, specials[j]);
      const float got = testing::get(y, 0, j);
      if (std::isnan(specials[j])) {
        EXPECT_TRUE(std::isnan(got)) << name_of(to);
      } else {
        EXPECT_EQ(got, testing::get(want, 0, 0)) << name_of(to) << " " << specials[j];
      }
    }
  }
}

TEST(Transpose, MovesEveryElement) {
  for (const DType from : kFiles) {
    for (const DType to : kFiles) {
      StridedMatrix x(67, 131, from, 1);
      StridedMatrix y(131, 67, to);
      Matrix same_type(67, 131, to);
      copy(x, same_type);
      transpose(x, y);
      const Dense<double> want = reference::transpose(dense<double>(same_type));
      EXPECT_TRUE(near(y, want, {.max_rel = 0, .cosine = 1e-12})) << name_of(from) << " to " << name_of(to);
      EXPECT_TRUE(y.surroundings_intact());
    }
  }
}

TEST(Add, MatchesReference) {
  for (const DType from : kBoth) {
    for (const DType to : kBoth) {
      for (const Index width : kWidths) {
        StridedMatrix x(5, width, from, 1);
        StridedMatrix y(5, width, to, 2);
        Dense<double> want = dense<double>(y);
        reference::add(dense<double>(x), double{0.3F}, want);
        add(x, 0.3F, y);
        EXPECT_TRUE(near(y, want, tolerance_of(to))) << name_of(from) << " " << name_of(to) << " " << width;
        EXPECT_TRUE(y.surroundings_intact());
      }
    }
  }
}

TEST(AddBias, ForwardAndBackwardMatchReference) {
  for (const DType dtype : kBoth) {
    for (const Index width : kWidths) {
      StridedMatrix bias(1, width, DType::kF32, 1);
      StridedMatrix y(37, width, dtype, 2);
      const Dense<double> before = dense<double>(y);
      Dense<double> want = before;
      reference::add_bias(dense<double>(bias), want);
      add_bias(bias, y);
      EXPECT_TRUE(near(y, want, tolerance_of(dtype))) << width;
      EXPECT_TRUE(y.surroundings_intact());

      Dense<double> sums = dense<double>(bias);
      reference::add_bias_backward(dense<double>(y), sums);
      add_bias_backward(y, bias);
      EXPECT_TRUE(near(bias, sums, testing::kF32Tolerance)) << width;
      EXPECT_TRUE(bias.surroundings_intact());
    }
  }
}

TEST(ScaleColumns, MatchesReferenceInPlaceAndWithItsGradient) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const Index width : {1, 7, 33, 1030}) {
      StridedMatrix factors(1, width, DType::kF32, 1);
      StridedMatrix x(37, width, dtype, 2);
      StridedMatrix y(37, width, DType::kF32, 3);
      const Dense<double> want = reference::scale_columns(dense<double>(x), dense<double>(factors));
      Dense<double> sums = dense<double>(factors);
      reference::add_column_products(dense<double>(x), dense<double>(y), sums);
      StridedMatrix got(1, width, DType::kF32, 1);
      add_column_products(x, y, got);
      EXPECT_TRUE(near(got, sums, testing::kF32Tolerance)) << width;
      EXPECT_TRUE(got.surroundings_intact());
      scale_columns(x, factors, y);
      EXPECT_TRUE(near(y, want, testing::kF32Tolerance)) << width;
      EXPECT_TRUE(y.surroundings_intact());
      scale_columns(x, factors, x);
      EXPECT_TRUE(near(x, want, tolerance_of(dtype))) << width;
      EXPECT_TRUE(x.surroundings_intact());
    }
  }
}

TEST(AddBias, ThreadsDoNotChangeTheSums) {
  const Matrix dy = random_matrix(300, 3000, DType::kBF16, 1);
  Matrix sums[2] = {Matrix(1, 3000), Matrix(1, 3000)};
  for (int i = 0; i < 2; ++i) {
    omp_set_num_threads(i + 1);
    add_bias_backward(dy, sums[i]);
  }
  EXPECT_TRUE(testing::same_bits(sums[0], sums[1]));
}

}  // namespace
}  // namespace lorry::ops::cpu
