#include "ops/cpu/low_rank.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include "ops/reference/low_rank.hpp"
#include "support/complex_step.hpp"
#include "support/near.hpp"
#include "support/random_matrix.hpp"

namespace lorry::ops::cpu {
namespace {

using reference::Dense;
using reference::dense;
using testing::Complex;
using testing::ComplexMatrix;
using testing::near;
using testing::random_matrix;
using testing::StridedMatrix;
using testing::tolerance_of;

constexpr DType kBoth[] = {DType::kF32, DType::kBF16};
constexpr Index kRanks[] = {1, 3, 7, 8, 9, 16, 24, 65};
constexpr Index kWidths[] = {1, 15, 16, 17, 131, 1030};

TEST(LowRank, ProjectMatchesReference) {
  for (const DType dtype : kBoth) {
    for (const Index rank : kRanks) {
      for (const Index width : kWidths) {
        StridedMatrix x(26, width, dtype, 1);
        StridedMatrix p(rank, width, DType::kF32, 2);
        StridedMatrix h(26, rank, DType::kF32);
        low_rank_project(x, p, 0.7F, h);
        const Dense<double> want =
            reference::low_rank_project(dense<double>(x), dense<double>(p), double{0.7F});
        EXPECT_TRUE(near(h, want, testing::kF32Tolerance)) << name_of(dtype) << " " << rank << " " << width;
        EXPECT_TRUE(h.surroundings_intact());
      }
    }
  }
}

TEST(LowRank, ExpandAddMatchesReference) {
  for (const DType dtype : kBoth) {
    for (const Index rank : kRanks) {
      for (const Index width : kWidths) {
        StridedMatrix h(7, rank, DType::kF32, 1);
        StridedMatrix p(rank, width, DType::kF32, 2);
        StridedMatrix y(7, width, dtype, 3);
        Dense<double> want = dense<double>(y);
        reference::low_rank_expand_add(dense<double>(h), dense<double>(p), want);
        low_rank_expand_add(h, p, y);
        EXPECT_TRUE(near(y, want, tolerance_of(dtype))) << name_of(dtype) << " " << rank << " " << width;
        EXPECT_TRUE(y.surroundings_intact());
      }
    }
  }
}

TEST(LowRank, OuterAddMatchesReference) {
  for (const DType dtype : kBoth) {
    for (const Index rank : kRanks) {
      for (const Index width : kWidths) {
        StridedMatrix h(37, rank, DType::kF32, 1);
        StridedMatrix x(37, width, dtype, 2);
        StridedMatrix dp(rank, width, DType::kF32, 3);
        Dense<double> want = dense<double>(dp);
        reference::low_rank_outer_add(dense<double>(h), dense<double>(x), want);
        low_rank_outer_add(h, x, dp);
        EXPECT_TRUE(near(dp, want, testing::kF32Tolerance)) << name_of(dtype) << " " << rank << " " << width;
        EXPECT_TRUE(dp.surroundings_intact());
      }
    }
  }
}

// loss = sum g (s x A^T) B^T; the three products are its gradients by A, B and x.
TEST(LowRank, GradientsMatchComplexStep) {
  constexpr double kScale = 2.0;
  const Matrix x = random_matrix(5, 11, DType::kF32, 1);   // [N,I]
  const Matrix a = random_matrix(3, 11, DType::kF32, 2);   // [R,I]
  const Matrix b = random_matrix(3, 13, DType::kF32, 3);   // [R,O]: B transposed, as expand_add reads it
  const Matrix dy = random_matrix(5, 13, DType::kF32, 4);  // [N,O]
  const auto loss = [&](const ComplexMatrix& xs, const ComplexMatrix& as, const ComplexMatrix& bs) {
    ComplexMatrix y(xs.rows, bs.cols);
    reference::low_rank_expand_add(reference::low_rank_project(xs, as, Complex(kScale)), bs, y);
    return testing::weighted_sum(y, dense<double>(dy));
  };
  const auto xc = dense<Complex>(x);
  const auto ac = dense<Complex>(a);
  const auto bc = dense<Complex>(b);

  Matrix h(5, 3);
  Matrix dh(5, 3);
  Matrix da(3, 11);
  Matrix db(3, 13);
  Matrix dx(5, 11);
  low_rank_project(x, a, float{kScale}, h);
  low_rank_outer_add(h, dy, db);
  low_rank_project(dy, b, float{kScale}, dh);
  low_rank_outer_add(dh, x, da);
  low_rank_expand_add(dh, a, dx);

  using testing::complex_step_gradient;
  const auto by_a = complex_step_gradient([&](const auto& v) { return loss(xc, v, bc); }, dense<double>(a));
  const auto by_b = complex_step_gradient([&](const auto& v) { return loss(xc, ac, v); }, dense<double>(b));
  const auto by_x = complex_step_gradient([&](const auto& v) { return loss(v, ac, bc); }, dense<double>(x));
  EXPECT_TRUE(near(da, by_a, testing::kF32Tolerance));
  EXPECT_TRUE(near(db, by_b, testing::kF32Tolerance));
  EXPECT_TRUE(near(dx, by_x, testing::kF32Tolerance));
}

TEST(LowRank, ThreadsDoNotChangeTheResult) {
  const Matrix x = random_matrix(100, 1500, DType::kBF16, 1);
  const Matrix p = random_matrix(9, 1500, DType::kF32, 2);
  Matrix h[2];
  Matrix y[2];
  Matrix dp[2];
  for (int i = 0; i < 2; ++i) {
    omp_set_num_threads(i + 1);
    h[i] = Matrix(100, 9);
    y[i] = random_matrix(100, 1500, DType::kF32, 3);
    dp[i] = random_matrix(9, 1500, DType::kF32, 4);
    low_rank_project(x, p, 1.0F, h[i]);
    low_rank_expand_add(h[i], p, y[i]);
    low_rank_outer_add(h[i], x, dp[i]);
  }
  EXPECT_TRUE(testing::same_bits(h[0], h[1]));
  EXPECT_TRUE(testing::same_bits(y[0], y[1]));
  EXPECT_TRUE(testing::same_bits(dp[0], dp[1]));
}

TEST(LowRank, RowsOfAProjectionDoNotDependOnEachOther) {
  const Matrix x = random_matrix(4, 203, DType::kBF16, 1);
  const Matrix p = random_matrix(11, 203, DType::kF32, 2);
  Matrix all(4, 11);
  Matrix last(1, 11);
  low_rank_project(x, p, 1.0F, all);
  low_rank_project(x.view().row_range(2, 1), p, 1.0F, last);
  EXPECT_TRUE(testing::same_bits(last, all.view().row_range(2, 1)));
}

}  // namespace
}  // namespace lorry::ops::cpu
