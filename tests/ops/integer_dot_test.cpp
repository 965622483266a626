// Products of few rows in integers against exact products with rounded rows, and what they promise of rows,
// threads, outliers and numbers that are none.
#include "ops/cpu/integer_dot.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "ops/cpu/matmul.hpp"
#include "ops/cpu/unpack.hpp"
#include "ops/reference/elementwise.hpp"
#include "ops/reference/integer_dot.hpp"
#include "ops/reference/matmul.hpp"
#include "support/instruction_sets.hpp"
#include "support/near.hpp"
#include "support/random_matrix.hpp"
#include "support/random_packed.hpp"

namespace lorry::ops::cpu {
namespace {

using reference::Dense;
using testing::random_matrix;
using testing::RandomPacked;
using testing::same_bits;
using testing::StridedMatrix;

constexpr testing::Tolerance kOfDots = {.max_rel = 3e-6, .cosine = 1e-11};

std::vector<BlockFormat> served_formats() {
  std::vector<BlockFormat> served;
  for (const BlockFormat format : testing::kPackedFormats) {
    const RandomPacked packed(format, 1, 256, 1);
    if (integer_dot_serves(WeightView(packed))) served.push_back(format);
  }
  return served;
}

Dense<double> numbers_of(WeightView w) {
  Matrix numbers(w.rows, w.cols);
  unpack(w, numbers);
  return reference::dense<double>(numbers);
}

/// x w^T.
Matrix dot(ConstMatrixView x, WeightView w) {
  Matrix out(x.rows, w.rows);
  integer_dot(x, w, false, out);
  return out;
}

/// x w^T with what x is rounded to.
Dense<double> specified(ConstMatrixView x, WeightView w) {
  return reference::matmul(reference::round_rows(reference::dense<float>(x)),
                           reference::transpose(numbers_of(w)));
}

TEST(IntegerDot, ServesInt8AndEveryFormatOfIntegers) {
  EXPECT_EQ(served_formats().size(), 12U);
  const RandomPacked odd(BlockFormat::kInt8, 4, 40, 1);
  EXPECT_FALSE(integer_dot_serves(WeightView(odd)));
  const RandomPacked whole(BlockFormat::kQ8_0, 4, 64, 1);
  EXPECT_FALSE(integer_dot_serves(WeightView(whole).col_range(32, 32)));
  EXPECT_FALSE(integer_dot_serves(random_matrix(4, 64, DType::kF32, 1).view()));
}

TEST(IntegerDot, IsAnExactProductWithRoundedRows) {
  testing::for_each_instruction_set([] {
    for (const BlockFormat format : served_formats()) {
      const Index elements = std::max<Index>(32, facts_of(format).elements);
      for (const Index blocks : {1, 2, 7}) {
        const RandomPacked w(format, 37, blocks * elements, 2);
        for (const Index rows : {1, 2, 3, 4, 7}) {
          const Matrix x = random_matrix(rows, w->cols, DType::kF32, 1);
          ASSERT_TRUE(testing::near(dot(x, WeightView(w)), specified(x, WeightView(w)), kOfDots))
              << fmt::format("{} blocks of {}, {} rows", blocks, facts_of(format).name, rows);
        }
      }
    }
  });
}

TEST(IntegerDot, IsOffByHalfAPercentOrSo) {
  const Matrix x = random_matrix(4, 2048, DType::kF32, 1);
  for (const BlockFormat format : served_formats()) {
    const RandomPacked w(format, 300, 2048, 2);
    const Dense<double> want =
        reference::matmul(reference::dense<double>(x), reference::transpose(numbers_of(WeightView(w))));
    const Dense<double> got = reference::dense<double>(dot(x, WeightView(w)));
    double off = 0, squares = 0;
    for (std::size_t i = 0; i < want.values.size(); ++i) {
      off += std::pow(got.values[i] - want.values[i], 2);
      squares += std::pow(want.values[i], 2);
    }
    EXPECT_LT(std::sqrt(off / squares), 0.01) << facts_of(format).name;
    EXPECT_GT(std::sqrt(off / squares), 0.001) << facts_of(format).name;  // 8 bits were used, and no more
  }
}

TEST(IntegerDot, TheLargestCodesDoNotOverflow) {
  testing::for_each_instruction_set([] {
    RandomPacked w(BlockFormat::kInt8, 3, 64, 1);
    const std::vector<std::byte> lowest(3 * 64, std::byte{0x80});
    w.matrix().codes = lowest;
    Matrix x(1, 64);
    for (const float sign : {1.0F, -1.0F}) {
      std::fill_n(x.row<float>(0), 64, sign);
      const Dense<double> want =
          reference::matmul(reference::dense<double>(x), reference::transpose(numbers_of(WeightView(w))));
      EXPECT_TRUE(testing::near(dot(x, WeightView(w)), want, kOfDots));
    }
  });
}

TEST(IntegerDot, DoesNotDependOnOtherRowsOrThreads) {
  constexpr Index kRows = 39;  // more than are multiplied at once
  const int threads = omp_get_max_threads();
  testing::for_each_instruction_set([&] {
    for (const BlockFormat format : served_formats()) {
      const RandomPacked w(format, 150, 512, 2);
      const Matrix x = random_matrix(kRows, 512, DType::kF32, 1);
      const Matrix all = dot(x, WeightView(w));
      for (const Index m : {0, 1, 30, 38}) {
        const Matrix one = dot(x.view().row_range(m, 1), WeightView(w));
        EXPECT_TRUE(same_bits(one, all.view().row_range(m, 1))) << facts_of(format).name << " row " << m;
      }
      for (const int some : {1, 3}) {
        omp_set_num_threads(some);
        EXPECT_TRUE(same_bits(dot(x, WeightView(w)), all)) << facts_of(format).name << " threads " << some;
      }
      omp_set_num_threads(threads);
    }
  });
}

TEST(IntegerDot, TakesEveryTypeAndAddsIfAsked) {
  const RandomPacked w(BlockFormat::kQ4_K, 70, 512, 2);
  const WeightView part = WeightView(w).row_range(5, 60);
  for (const DType type_x : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const DType type_y : {DType::kF32, DType::kBF16}) {
      for (const bool accumulate : {false, true}) {
        StridedMatrix x(3, 512, type_x, 1), y(3, 60, type_y, 3);
        Dense<double> want = specified(x, part);
        if (accumulate) reference::add(reference::dense<double>(y), 1.0, want);
        integer_dot(x, part, accumulate, y);
        EXPECT_TRUE(testing::near(y, want, type_y == DType::kF32 ? kOfDots : testing::kBF16Tolerance));
        EXPECT_TRUE(y.surroundings_intact());
      }
    }
  }
}

TEST(IntegerDot, ReadsRowsOfInterleavedHeadsWhereTheyAre) {
  RandomPacked w(BlockFormat::kQ8_0, 64, 128, 2);
  w.matrix().interleaved_head = 16;
  const Matrix x = random_matrix(2, 128, DType::kF32, 1);
  EXPECT_TRUE(testing::near(dot(x, WeightView(w)), specified(x, WeightView(w)), kOfDots));
}

TEST(IntegerDot, IsWhatProductsThatAskForItAre) {
  /// The route that a product that asks for integers takes.
  enum class Route { kFloat, kDots, kTiles };
  const auto route = [](const RandomPacked& w, Index rows, bool transpose_b, Integers integers) {
    const Matrix x = random_matrix(rows, transpose_b ? w->cols : w->rows, DType::kF32, 1);
    Matrix with(rows, transpose_b ? w->rows : w->cols), without(rows, with.cols());
    Matmul().run(x, WeightView(w), with, {.transpose_b = transpose_b, .integers = integers});
    Matmul().run(x, WeightView(w), without, {.transpose_b = transpose_b});
    if (same_bits(with, without)) return Route::kFloat;
    return transpose_b && same_bits(with, dot(x, WeightView(w))) ? Route::kDots : Route::kTiles;
  };
  const RandomPacked blocks(BlockFormat::kQ4_K, 256, 512, 2), int8(BlockFormat::kInt8, 256, 512, 2),
      nf4(BlockFormat::kNf4, 256, 512, 2);
  for (const Index rows : {1, 4, 5, 40}) {
    EXPECT_EQ(route(blocks, rows, true, Integers::kDots), Route::kDots);
    EXPECT_EQ(route(int8, rows, true, Integers::kDots), Route::kDots);
    EXPECT_EQ(route(blocks, rows, false, Integers::kDots), Route::kFloat);
    EXPECT_EQ(route(nf4, rows, true, Integers::kDots), Route::kFloat);
    EXPECT_EQ(route(blocks, rows, true, Integers::kTiles), Route::kFloat);
    EXPECT_EQ(route(int8, rows, true, Integers::kTiles), rows > 4 ? Route::kTiles : Route::kFloat);
  }
}

TEST(IntegerDot, ARowThatIsNotFiniteSpoilsNoOther) {
  testing::for_each_instruction_set([] {
    for (const BlockFormat format : {BlockFormat::kInt8, BlockFormat::kQ4_K, BlockFormat::kQ4_1,
                                     BlockFormat::kQ6_K, BlockFormat::kQ2_K}) {
      const RandomPacked w(format, 50, 256, 2);
      for (const float fault :
           {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
        Matrix x = random_matrix(3, 256, DType::kF32, 1);
        x.row<float>(1)[77] = fault;
        const Matrix out = dot(x, WeightView(w));
        for (Index i = 0; i < 3; ++i) {
          for (Index j = 0; j < 50; ++j) EXPECT_EQ(std::isnan(out.row<float>(i)[j]), i == 1) << fault;
        }
      }
    }
  });
}

TEST(IntegerDot, AnOutlierCostsThoseBesideItAlone) {
  constexpr Index kTogether = 32;
  const RandomPacked w(BlockFormat::kQ5_K, 50, 256, 2);
  Matrix x = random_matrix(1, 256, DType::kF32, 1);
  std::fill_n(x.row<float>(0) + kTogether, kTogether, 0.0F);
  const Matrix before = dot(x, WeightView(w));
  x.row<float>(0)[kTogether + 3] = 4096.0F;
  const Matrix after = dot(x, WeightView(w));
  const Dense<double> numbers = numbers_of(WeightView(w));
  for (Index j = 0; j < 50; ++j) {
    const double outlier = 4096 * numbers(j, kTogether + 3);
    EXPECT_NEAR(after.row<float>(0)[j] - before.row<float>(0)[j], outlier, 3e-6 * 4096);
  }
}

TEST(IntegerDot, ZerosAndTheSmallestNumbersAreZero) {
  testing::for_each_instruction_set([] {
    Matrix x(3, 256);
    std::fill_n(x.row<float>(1), 256, 1e-42F);
    std::fill_n(x.row<float>(2), 256, 1e-31F);
    const RandomPacked w(BlockFormat::kQ4_K, 50, 256, 2);
    const Matrix out = dot(x, WeightView(w));
    for (Index i = 0; i < 3; ++i) {
      for (Index j = 0; j < 50; ++j) EXPECT_EQ(out.row<float>(i)[j], 0.0F);
    }
  });
}

}  // namespace
}  // namespace lorry::ops::cpu
