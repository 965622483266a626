// φ where the answer is known without computing it.
#include "analysis/similarity.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "analysis/memory_updates.hpp"
#include "core/error.hpp"

namespace lorry::analysis {
namespace {

// φ comes from overlaps of orthonormal float64 vectors, whose error is some ε sqrt(d).
constexpr double kExact = 1e-12;

MemoryUpdates one(Grid a, Grid b) {
  MemoryUpdates updates;
  updates.add("m", std::move(a), std::move(b));
  return updates;
}

/// [rows, cols] with entry (i, first + i) = size_i: singular directions are coordinate axes.
Grid axes(Index rows, Index cols, Index first, double largest = 8.0) {
  Grid grid(rows, cols);
  for (Index i = 0; i < rows; ++i) grid.at(i, first + i) = largest / static_cast<double>(i + 1);
  return grid;
}

Grid turned(const Grid& grid) {
  Grid result(grid.cols, grid.rows);
  for (Index i = 0; i < grid.rows; ++i) {
    for (Index j = 0; j < grid.cols; ++j) result.at(j, i) = grid.at(i, j);
  }
  return result;
}

TEST(Similarity, IdenticalAdaptersGiveOneOnTheDiagonal) {
  const MemoryUpdates updates = one(random_grid(6, 40, 1), random_grid(30, 6, 2));
  const SimilarityReport report = measure_similarity(updates, updates);
  const ModuleSimilarity& module = report.modules.at(0);
  for (const SubspaceSimilarity* space : {&module.a, &module.b, &module.row, &module.column}) {
    ASSERT_EQ(space->phi.rows, 6);
    for (Index i = 0; i < 6; ++i) EXPECT_NEAR(space->phi.at(i, i), 1.0, kExact);
    EXPECT_NEAR(space->distance(6, 6), 0.0, 1e-6);
    EXPECT_LT(space->phi.at(0, 1), 1.0 + kExact);
  }
}

TEST(Similarity, OrthogonalAdaptersGiveZero) {
  const MemoryUpdates x = one(axes(4, 40, 0), turned(axes(4, 30, 0)));
  const MemoryUpdates y = one(axes(3, 40, 4), turned(axes(3, 30, 4)));
  const SimilarityReport report = measure_similarity(x, y);
  const ModuleSimilarity& module = report.modules.at(0);
  for (const SubspaceSimilarity* space : {&module.a, &module.b, &module.row, &module.column}) {
    ASSERT_EQ(space->phi.rows, 4);
    ASSERT_EQ(space->phi.cols, 3);
    for (const double value : space->phi.values) EXPECT_NEAR(value, 0.0, kExact);
    EXPECT_NEAR(space->distance(4, 3), std::sqrt(3.0), kExact);
  }
}

}  // namespace
}  // namespace lorry::analysis
