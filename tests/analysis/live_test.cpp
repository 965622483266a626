// The training monitor against the commands' own measures.
#include "analysis/live.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "analysis/decomposition.hpp"
#include "analysis/memory_updates.hpp"
#include "analysis/spectrum.hpp"
#include "support/random_matrix.hpp"

namespace lorry::analysis {
namespace {

Matrix to_matrix(const Grid& grid) {
  Matrix matrix(grid.rows, grid.cols);
  std::copy(grid.values.begin(), grid.values.end(), matrix.row<float>(0));
  return matrix;
}

Grid to_grid_of(ConstMatrixView view) {
  Grid grid(view.rows, view.cols);
  for (Index i = 0; i < grid.rows; ++i) {
    for (Index j = 0; j < grid.cols; ++j) grid.at(i, j) = static_cast<double>(testing::get(view, i, j));
  }
  return grid;
}

double norm(const Grid& grid) {
  double sum = 0;
  for (const double value : grid.values) sum += value * value;
  return std::sqrt(sum);
}

/// ‖U^T W V‖_F of the update's directions, from whole matrices.
double projected(const Grid& a, const Grid& b, const Grid& weight) {
  const Decomposition parts = decompose(one_module(a, b).read(0));
  return norm(product(product(turned(parts.left), weight), parts.right));
}

TEST(LiveMonitor, FiguresAreThoseOfTheWholeAnalysisForEveryStorageOfW) {
  const Grid a = random_grid(4, 60, 1);
  const Grid b = random_grid(48, 4, 2);
  const Matrix a_view = to_matrix(a);
  const Matrix b_view = to_matrix(turned(b));
  const SpectrumFigures want = measure_spectra(one_module(a, b, 0.5)).at(0).figures;
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    for (const bool conv1d : {false, true}) {
      const Matrix stored = testing::random_matrix(conv1d ? 60 : 48, conv1d ? 48 : 60, dtype, 3);
      const Grid weight = conv1d ? turned(to_grid_of(stored)) : to_grid_of(stored);
      LiveMonitor monitor;
      const LiveModule module{"m", a_view, b_view, 0.5, stored, conv1d};
      const LiveFigures figures = monitor.measure({&module, 1}).at(0);
      EXPECT_NEAR(figures.delta_norm, want.frobenius_norm, 1e-6 * want.frobenius_norm);
      EXPECT_NEAR(figures.effective_rank, want.effective_rank, 1e-6);
      EXPECT_NEAR(figures.top_share, want.top_share, 1e-6);
      const double amplification = want.frobenius_norm / projected(a, b, weight);
      EXPECT_NEAR(figures.amplification, amplification, 1e-4 * amplification);
      EXPECT_FALSE(figures.compared);
    }
  }
}

TEST(LiveMonitor, DirectionsThatStayAreSettledAndNewOnesAreNot) {
  const Matrix a = to_matrix(axes(3, 30, 0, {3, 2, 1}));
  const Matrix b = to_matrix(axes(3, 20, 0, {1, 1, 1}));
  const Matrix larger = to_matrix(axes(3, 30, 0, {6, 4, 2}));
  const Matrix elsewhere = to_matrix(axes(3, 30, 10, {3, 2, 1}));
  LiveMonitor monitor;
  const auto measure = [&](const Matrix& now) {
    const LiveModule module{"m", now, b, 1.0, {}, false};
    return monitor.measure({&module, 1}).at(0);
  };
  EXPECT_FALSE(measure(a).compared);
  const LiveFigures same = measure(larger);
  ASSERT_TRUE(same.compared);
  // Squares 36, 16, 4: two directions hold 93 %.
  EXPECT_EQ(same.sufficient_rank, 2);
  EXPECT_EQ(same.compared_at, 2);
  EXPECT_NEAR(same.settled_left, 1.0, 1e-12);
  EXPECT_NEAR(same.settled_right, 1.0, 1e-12);
  EXPECT_NEAR(same.settled_top, 1.0, 1e-12);
  EXPECT_EQ(same.amplification, 0.0);  // without W it is not measured
  const LiveFigures moved = measure(elsewhere);
  EXPECT_NEAR(moved.settled_left, 1.0, 1e-12);
  EXPECT_NEAR(moved.settled_right, 0.0, 1e-12);
  EXPECT_NEAR(moved.settled_top, 0.0, 1e-12);
}

TEST(LiveMonitor, ZeroAndBrokenUpdatesAreSaidAndNeverNaN) {
  const Matrix a = to_matrix(random_grid(2, 12, 1));
  const Matrix zero(2, 10);
  Matrix broken(2, 10);
  broken.row<float>(1)[4] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<LiveModule> modules = {{"zero", a, zero, 1.0, {}, false},
                                           {"broken", a, broken, 1.0, {}, false}};
  LiveMonitor monitor;
  for (int call = 0; call < 2; ++call) {
    const std::vector<LiveFigures> figures = monitor.measure(modules);
    EXPECT_TRUE(figures.at(0).zero);
    EXPECT_TRUE(figures.at(0).finite);
    EXPECT_FALSE(figures.at(1).finite);
    for (const LiveFigures& module : figures) {
      EXPECT_EQ(module.delta_norm, 0.0);
      EXPECT_EQ(module.effective_rank, 0.0);
      EXPECT_FALSE(module.compared);
    }
  }
}

}  // namespace
}  // namespace lorry::analysis
