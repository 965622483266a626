// The ends of symmetric spectra against Eigen's whole decomposition.
#include "analysis/top_eigenpairs.hpp"

#include <gtest/gtest.h>

#include <Eigen/Eigenvalues>

#include "analysis/small_svd.hpp"
#include "analysis/subspace.hpp"

namespace lorry::analysis {
namespace {

DenseF with_values(const Vector& values) {
  const Dense frame = random_frame(values.size(), values.size(), 1, 0);
  return (frame * values.asDiagonal() * frame.transpose()).cast<float>();
}

/// That they are `want`'s last, and their vectors orthonormal and turned by `matrix` as they should be.
void expect_top(const DenseF& matrix, Index k, const Vector& want) {
  const Eigenpairs found = top_eigenpairs(matrix, k);
  const Index count = std::min(k, matrix.rows());
  ASSERT_EQ(found.values.size(), count);
  ASSERT_EQ(found.vectors.cols(), count);
  const double size = std::max(1.0, want.cwiseAbs().maxCoeff());
  EXPECT_LT((found.values - want.tail(count)).cwiseAbs().maxCoeff(), 3e-6 * size);
  EXPECT_LT((top_eigenvalues(matrix, k) - found.values).cwiseAbs().maxCoeff(), 1e-12 * size);
  const Dense vectors = found.vectors.cast<double>();
  EXPECT_LT((vectors.transpose() * vectors - Dense::Identity(count, count)).cwiseAbs().maxCoeff(), 3e-6);
  const Dense off = matrix.cast<double>() * vectors - vectors * found.values.asDiagonal();
  EXPECT_LT(off.colwise().norm().maxCoeff(), 1e-5 * size);
}

TEST(TopEigenpairs, AreThoseOfAWholeDecomposition) {
  for (const Index n : {1, 2, 3, 17, 90}) {
    const Dense random = Dense::Random(n, n);
    const DenseF matrix = (random + random.transpose()).cast<float>();
    const Vector want =
        Eigen::SelfAdjointEigenSolver<Dense>(matrix.cast<double>(), Eigen::EigenvaluesOnly).eigenvalues();
    for (const Index k : {1, 5, 90}) expect_top(matrix, k, want);
  }
}

TEST(TopEigenpairs, OfEqualValuesHaveOrthonormalVectors) {
  Vector values(40);
  for (Index i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i / 10);
  expect_top(with_values(values), 25, values);
  expect_top(DenseF::Identity(20, 20), 20, Vector::Ones(20));
  expect_top(DenseF::Zero(20, 20), 7, Vector::Zero(20));
}

TEST(TopEigenpairs, OfASteepSpectrum) {
  Vector values(60);
  for (Index i = 0; i < values.size(); ++i) values[i] = std::pow(2.0, static_cast<double>(i) - 50.0);
  expect_top(with_values(values), 30, values);
}

TEST(TopEigenpairs, OfALowRank) {
  Vector values = Vector::Zero(60);
  values.tail(6) = Vector::LinSpaced(6, 1.0, 30.0);
  expect_top(with_values(values), 20, values);
  Dense banded = Dense::Zero(60, 60);
  banded.topLeftCorner(6, 6) = with_values(values.tail(6)).cast<double>();
  expect_top(banded.cast<float>(), 20, values);
}

}  // namespace
}  // namespace lorry::analysis
