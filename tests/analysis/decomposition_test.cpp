// Decompositions against what they were made of, and the top directions of large matrices against whole SVDs.
#include "analysis/decomposition.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "analysis/memory_updates.hpp"
#include "analysis/small_svd.hpp"
#include "analysis/subspace.hpp"
#include "analysis/top_directions.hpp"

namespace lorry::analysis {
namespace {

Grid rebuilt(const Decomposition& parts) {
  Dense scaled = as_eigen(parts.left);
  for (Index i = 0; i < parts.rank(); ++i)
    scaled.col(i) *= parts.singular_values[static_cast<std::size_t>(i)];
  return to_grid(scaled * as_eigen(parts.right).transpose());
}

double largest_difference(const Grid& x, const Grid& y) {
  EXPECT_EQ(x.values.size(), y.values.size());
  return (as_eigen(x) - as_eigen(y)).cwiseAbs().maxCoeff();
}

double distance_from_orthonormal(const Grid& columns) {
  const Dense gram = as_eigen(columns).transpose() * as_eigen(columns);
  return (gram - Dense::Identity(columns.cols, columns.cols)).cwiseAbs().maxCoeff();
}

TEST(Decomposition, OfFactorsGivesBackTheirProductWithItsSign) {
  const Grid a = random_grid(5, 40, 1);
  const Grid b = random_grid(30, 5, 2);
  Grid want = product(b, a);
  for (double& value : want.values) value *= -0.25;
  const Decomposition parts = decompose(one_module(a, b, -0.25).read(0));
  EXPECT_EQ(parts.rank(), 5);
  EXPECT_LT(largest_difference(rebuilt(parts), want), 1e-13 * parts.singular_values[0]);
  EXPECT_LT(distance_from_orthonormal(parts.left), 1e-13);
  EXPECT_LT(distance_from_orthonormal(parts.right), 1e-13);
  EXPECT_TRUE(parts.complete);
}

TEST(Decomposition, OfADifferenceGivesItBackWhicheverSideIsLonger) {
  for (const auto& [rows, cols] : {std::pair{30, 17}, {17, 30}}) {
    const Grid whole = random_grid(rows, cols, 3);
    const Decomposition parts = decompose(one_difference(whole).read(0));
    EXPECT_EQ(parts.rank(), 17);
    EXPECT_LT(largest_difference(rebuilt(parts), whole), 1e-13 * parts.singular_values[0]);
    EXPECT_LT(distance_from_orthonormal(parts.left), 1e-13);
  }
}

TEST(Decomposition, LargeDifferenceOfLowRankIsFoundWhole) {
  const Grid whole = product(random_grid(300, 6, 1), random_grid(6, 260, 2));
  const Decomposition exact = decompose(one_difference(whole).read(0));
  const Decomposition top = decompose(one_difference(whole).read(0), {.full_side = 100, .top = 20});
  ASSERT_EQ(exact.rank(), 6);
  ASSERT_EQ(top.rank(), 6);
  EXPECT_TRUE(top.complete);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(top.singular_values[i], exact.singular_values[i], 1e-5 * exact.singular_values[i]);
  }
}

TEST(Decomposition, LargeDifferenceOfFullRankGivesItsTopAndItsWholeNorm) {
  const Grid whole = random_grid(300, 260, 1);
  const Decomposition exact = decompose(one_difference(whole).read(0));
  const Decomposition top = decompose(one_difference(whole).read(0), {.full_side = 100, .top = 10});
  ASSERT_EQ(top.rank(), 10);
  EXPECT_FALSE(top.complete);
  EXPECT_NEAR(top.frobenius_norm, as_eigen(whole).norm(), 1e-9);
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_NEAR(top.singular_values[i], exact.singular_values[i], 1e-3 * exact.singular_values[i]);
  }
}

TEST(MeanSpread, CountsOneValueLessInTheSpread) {
  const MeanSpread figures = mean_spread({1, 3, 8});
  EXPECT_DOUBLE_EQ(figures.mean, 4);
  EXPECT_DOUBLE_EQ(figures.spread, std::sqrt((9.0 + 1 + 16) / 2));
  EXPECT_EQ(mean_spread({5}).spread, 0.0);
}

TEST(NearTies, AreGapsBelowTheirShareOfTheLargest) {
  EXPECT_EQ(near_ties({4, 3, 2}), std::vector<Index>{});
  EXPECT_EQ(near_ties({4, 3, 3 - 5e-8, 2}), std::vector<Index>{});
  EXPECT_EQ(near_ties({4, 3, 3 - 3e-8, 2}), std::vector<Index>{2});
  EXPECT_EQ(near_ties({1, 1}), std::vector<Index>{1});
  EXPECT_EQ(near_ties({}), std::vector<Index>{});
}

TEST(NearTies, AreGapsBelowAHundredErrorsOfTheDirections) {
  const std::vector<double> sigma = {4, 3, 2.99, 2};
  EXPECT_EQ(near_ties(sigma, {1e-6, 1e-6, 1e-6, 1e-6}), std::vector<Index>{});
  EXPECT_EQ(near_ties(sigma, {1e-6, 3e-5, 1e-6, 1e-6}), std::vector<Index>{2});
  // One that is badly known spoils the subspaces behind it, not those before.
  EXPECT_EQ(near_ties(sigma, {1e-6, 1e-6, 5e-3, 1e-6}), std::vector<Index>{3});
}

/// The k top directions of a stored matrix by products alone, against a whole SVD of it.
void expect_top(ConstMatrixView stored, bool inputs_by_outputs, Index k) {
  const std::unique_ptr<ops::Ops> ops = ops::make_cpu_ops(1);
  WeightMatrix weight(*ops);
  weight.load(stored, inputs_by_outputs);
  const Svd exact = svd(weight.in_double());
  const TopDirections top = top_directions(weight, k, {.full_side = 0});
  ASSERT_FALSE(top.exact);
  ASSERT_EQ(top.sigma.size(), k);
  EXPECT_GT(weight.products().passes, 4);
  // What Table 7 needs: sqrt of the sum of squares within 1e-4, always from below.
  const double want = exact.sigma.head(k).norm();
  EXPECT_NEAR(top.sigma.norm(), want, 1e-4 * want);
  EXPECT_LE(top.sigma.norm(), want * (1 + 1e-6));
  EXPECT_LT(distance_from_orthonormal(to_grid(top.left)), 1e-6);
  EXPECT_LT(distance_from_orthonormal(to_grid(top.right)), 1e-6);
  // They are W's own: U^T W V is the diagonal of the singular values.
  const Dense core = top.left.transpose() * weight.in_double() * top.right;
  EXPECT_LT((core - Dense(top.sigma.asDiagonal())).cwiseAbs().maxCoeff(), 1e-5 * exact.sigma[0]);
  // The residual that is reported is the one there is.
  const Dense off = weight.in_double().transpose() * top.left - top.right * top.sigma.asDiagonal();
  const Dense off_left = weight.in_double() * top.right - top.left * top.sigma.asDiagonal();
  const double residual = std::max(off.colwise().norm().maxCoeff(), off_left.colwise().norm().maxCoeff());
  EXPECT_NEAR(top.residual, residual / exact.sigma[0], 1e-5);
}

Matrix gaussian(Index rows, Index cols, DType dtype = DType::kF32) {
  Matrix matrix(rows, cols);
  Rng rng(11);
  for (Index i = 0; i < matrix.size(); ++i) matrix.row<float>(0)[i] = rng.next_normal();
  if (dtype == DType::kF32) return matrix;
  Matrix rounded(rows, cols, dtype);
  ops::make_cpu_ops(1)->copy(matrix, rounded);
  return rounded;
}

TEST(TopDirections, OfAFlatRandomSpectrumAreThoseOfAWholeSvd) {
  expect_top(gaussian(430, 400), false, 4);
  expect_top(gaussian(430, 400), false, 40);
  expect_top(gaussian(300, 500), false, 16);
}

// The squares of the singular values are far from zero and close to each other, which costs orthogonality
// first.
TEST(TopDirections, OfAFlatSpectrumOfALongMatrixAreThoseOfAWholeSvd) {
  expect_top(gaussian(1300, 330), false, 40);
  expect_top(gaussian(330, 1300), true, 20);
}

TEST(TopDirections, OfTransposedAndNarrowTypesAreThoseOfAWholeSvd) {
  expect_top(gaussian(300, 420), true, 8);
  expect_top(gaussian(420, 300, DType::kBF16), false, 8);
  expect_top(gaussian(420, 300, DType::kF16), true, 8);
}

TEST(TopDirections, OfARapidlyFallingSpectrumKeepTheirSmallOnes) {
  // σ_i = 1000 / i^2: the 16th is 256 times below the first.
  const Dense left = random_frame(360, 200, 1, 0);
  const Dense right = random_frame(320, 200, 1, 1);
  Vector sigma(200);
  for (Index i = 0; i < 200; ++i) sigma[i] = 1000.0 / static_cast<double>((i + 1) * (i + 1));
  const Eigen::Matrix<float, -1, -1, Eigen::RowMajor> whole =
      (left * sigma.asDiagonal() * right.transpose()).cast<float>();
  const std::unique_ptr<ops::Ops> ops = ops::make_cpu_ops(1);
  WeightMatrix weight(*ops);
  weight.load(ConstMatrixView{reinterpret_cast<const std::byte*>(whole.data()), 360, 320, 320, DType::kF32},
              false);
  const TopDirections top = top_directions(weight, 16, {.full_side = 0});
  for (Index i = 0; i < 16; ++i) EXPECT_NEAR(top.sigma[i], sigma[i], 1e-4 * sigma[i]) << i;
}

TEST(TopDirections, OfAZeroMatrixAreZeros) {
  const Matrix zero(300, 280);
  const std::unique_ptr<ops::Ops> ops = ops::make_cpu_ops(1);
  WeightMatrix weight(*ops);
  weight.load(zero, false);
  const TopDirections top = top_directions(weight, 4, {.full_side = 0});
  EXPECT_EQ(top.sigma.norm(), 0.0);
  EXPECT_EQ(top.residual, 0.0);
}

}  // namespace
}  // namespace lorry::analysis
