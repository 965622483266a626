// Products in integers against their specification in plain loops, and against float64: what rounding costs;
// and what they promise of rows, columns and threads.
#include "ops/cpu/integer_matmul.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/cpu/low_rank.hpp"
#include "ops/cpu/unpack.hpp"
#include "ops/reference/elementwise.hpp"
#include "ops/reference/integer_matmul.hpp"
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

constexpr testing::Tolerance kOfFloats = {.max_rel = 2e-6, .cosine = 1e-11};
constexpr Index kGroup = 128;

/// By whether b is transposed, and so has its rows, with their scales, along the columns of c.
class IntegerProducts : public ::testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] MatmulOptions options(bool accumulate = false) const {
    return {.transpose_b = GetParam(), .accumulate = accumulate, .integers = Integers::kTiles};
  }
  /// Int8 weights [outputs, inner], or their transpose.
  [[nodiscard]] RandomPacked weights(Index outputs, Index inner) const {
    return GetParam() ? RandomPacked(BlockFormat::kInt8, outputs, inner, 2)
                      : RandomPacked(BlockFormat::kInt8, inner, outputs, 2);
  }
  [[nodiscard]] WeightView columns(WeightView b, Index first, Index count) const {
    return GetParam() ? b.row_range(first, count) : b.col_range(first, count);
  }
  /// op(b) in float64.
  [[nodiscard]] Dense<double> seen(const RandomPacked& packed) const {
    Matrix numbers(packed->rows, packed->cols);
    unpack(WeightView(packed), numbers);
    Dense<double> all = reference::dense<double>(numbers);
    return GetParam() ? reference::transpose(all) : all;
  }
};

TEST_P(IntegerProducts, AreAsSpecifiedAtEveryEdge) {
  testing::for_each_instruction_set([&] {
    for (const Index inner : {1, 33, 256, 519}) {
      for (const Index outputs : {1, 17, 64, 300}) {
        for (const Index rows : {1, 6, 17, 67}) {
          StridedMatrix a(rows, inner, DType::kF32, 1);
          const RandomPacked b = weights(outputs, inner);
          const Dense<float> want = reference::integer_matmul(reference::dense<float>(a), *b, GetParam());
          Matrix got(rows, outputs);
          IntegerMatmul().run(a, WeightView(b), got, options());
          Dense<double> exact(rows, outputs);
          std::copy(want.values.begin(), want.values.end(), exact.values.begin());
          ASSERT_TRUE(testing::near(got, exact, kOfFloats))
              << fmt::format("[{},{}] x {}", rows, inner, outputs);
        }
      }
    }
  });
}

TEST_P(IntegerProducts, AreOffByOnePercentOrSo) {
  const Matrix a = random_matrix(60, 1024, DType::kF32, 1);
  const RandomPacked b = weights(300, 1024);
  Matrix got(60, 300);
  IntegerMatmul().run(a, WeightView(b), got, options());
  const Dense<double> want = reference::matmul(reference::dense<double>(a), seen(b));
  double off = 0, squares = 0;
  for (std::size_t i = 0; i < want.values.size(); ++i) {
    off += std::pow(reference::dense<double>(got.view()).values[i] - want.values[i], 2);
    squares += std::pow(want.values[i], 2);
  }
  EXPECT_LT(std::sqrt(off / squares), 0.02);
  EXPECT_GT(std::sqrt(off / squares), 0.005);  // 7 bits were used, and no more
}

TEST_P(IntegerProducts, TakeEveryTypeAndAddIfAsked) {
  for (const DType type_a : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const DType type_c : {DType::kF32, DType::kBF16}) {
      StridedMatrix a(40, 300, type_a, 1);
      const RandomPacked b = weights(70, 300);
      for (const bool accumulate : {false, true}) {
        StridedMatrix c(40, 70, type_c, 3);
        const Dense<float> product = reference::integer_matmul(reference::dense<float>(a), *b, GetParam());
        Dense<double> want(40, 70);
        std::copy(product.values.begin(), product.values.end(), want.values.begin());
        if (accumulate) reference::add(reference::dense<double>(c), 1.0, want);
        IntegerMatmul().run(a, WeightView(b), c, options(accumulate));
        EXPECT_TRUE(testing::near(c, want, type_c == DType::kF32 ? kOfFloats : testing::kBF16Tolerance));
        EXPECT_TRUE(c.surroundings_intact());
      }
    }
  }
}

TEST_P(IntegerProducts, DoNotDependOnOtherRowsColumnsOrThreads) {
  constexpr Index kRows = 600;  // two passes over b
  const Matrix a = random_matrix(kRows, 700, DType::kF32, 1);
  const RandomPacked b = weights(900, 700);
  Matrix all(kRows, 900);
  IntegerMatmul products;
  products.run(a, WeightView(b), all, options());
  const int threads = omp_get_max_threads();
  for (const int some : {1, 3}) {
    omp_set_num_threads(some);
    Matrix again(kRows, 900);
    products.run(a, WeightView(b), again, options());
    EXPECT_TRUE(same_bits(all, again)) << some << " threads";
  }
  omp_set_num_threads(threads);
  Matrix part(37, 41);
  products.run(a.view().row_range(301, 37), columns(WeightView(b), 555, 41), part, options());
  EXPECT_TRUE(same_bits(part, all.view().row_range(301, 37).col_range(555, 41)));
}

TEST_P(IntegerProducts, TakeLowRankTermsAlong) {
  constexpr Index kRows = 600;  // two passes over b
  constexpr Index kOutputs = 900;
  const Matrix a = random_matrix(kRows, 200, DType::kF32, 1);
  const RandomPacked b = weights(kOutputs, 200);
  const Matrix h = random_matrix(kRows, 5, DType::kF32, 4);
  const Matrix p = random_matrix(5, kOutputs, DType::kF32, 5);
  const LowRankTerm term = {h, p};
  Matrix want(kRows, kOutputs), got(kRows, kOutputs);
  IntegerMatmul products;
  products.run(a, WeightView(b), want, options());
  low_rank_expand_add(h, p, want);
  products.run(a, WeightView(b), got, options(), {&term, 1});
  EXPECT_TRUE(same_bits(got, want));
}

TEST_P(IntegerProducts, AnOutlierCostsThoseBesideItAlone) {
  constexpr Index kInner = 4 * kGroup;
  Matrix a = random_matrix(20, kInner, DType::kF32, 1);
  const RandomPacked b = weights(50, kInner);
  Matrix before(20, 50), after(20, 50);
  IntegerMatmul products;
  for (Index k = kGroup; k < 2 * kGroup; ++k) a.row<float>(7)[k] = 0.0F;
  products.run(a, WeightView(b), before, options());
  a.row<float>(7)[kGroup + 30] = 4096.0F;
  products.run(a, WeightView(b), after, options());
  const Dense<double> right = seen(b);
  for (Index j = 0; j < 50; ++j) {
    const double outlier = 4096 * right(kGroup + 30, j);
    EXPECT_NEAR(after.row<float>(7)[j] - before.row<float>(7)[j], outlier, 1e-6 * std::abs(outlier) + 1e-4);
    EXPECT_EQ(after.row<float>(6)[j], before.row<float>(6)[j]);
  }
}

TEST_P(IntegerProducts, ARowThatIsNotFiniteSpoilsNoOther) {
  for (const float fault :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Matrix a = random_matrix(20, 300, DType::kF32, 1);
    a.row<float>(7)[299] = fault;
    const RandomPacked b = weights(50, 300);
    Matrix c(20, 50);
    IntegerMatmul().run(a, WeightView(b), c, options());
    for (Index i = 0; i < 20; ++i) {
      for (Index j = 0; j < 50; ++j) EXPECT_EQ(std::isnan(c.row<float>(i)[j]), i == 7) << fault;
    }
  }
}

TEST_P(IntegerProducts, ZerosAndTheSmallestNumbersAreZero) {
  Matrix a(8, 300);
  for (Index k = 0; k < 300; ++k) a.row<float>(1)[k] = 1e-42F;
  const RandomPacked b = weights(50, 300);
  Matrix c = random_matrix(8, 50, DType::kF32, 3);
  IntegerMatmul().run(a, WeightView(b), c, options());
  for (Index i = 0; i < 8; ++i) {
    for (Index j = 0; j < 50; ++j) EXPECT_EQ(c.row<float>(i)[j], 0.0F);
  }
}

INSTANTIATE_TEST_SUITE_P(BothWays, IntegerProducts, ::testing::Bool(),
                         [](const auto& way) { return way.param ? "AlongRows" : "AlongColumns"; });

}  // namespace
}  // namespace lorry::ops::cpu
