// φ where the answer is known without computing it, and what cannot be compared.
#include "analysis/similarity.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "analysis/memory_updates.hpp"
#include "core/error.hpp"
#include "io/io_support.hpp"

namespace lorry::analysis {
namespace {

// φ comes from overlaps of orthonormal float64 vectors, whose error is some ε sqrt(d).
constexpr double kExact = 1e-12;

std::vector<const SubspaceSimilarity*> spaces_of(const ModuleSimilarity& module) {
  return {&module.a, &module.b, &module.row, &module.column};
}

ModuleSimilarity only_module(const MemoryUpdates& x, const MemoryUpdates& y) {
  const SimilarityReport report = measure_similarity(x, y, {.controls = false});
  EXPECT_EQ(report.modules.size(), 1U);
  return report.modules.at(0);
}

TEST(Similarity, IdenticalAdaptersGiveOneOnTheDiagonal) {
  const MemoryUpdates updates = one_module(random_grid(6, 40, 1), random_grid(30, 6, 2));
  const ModuleSimilarity module = only_module(updates, updates);
  for (const SubspaceSimilarity* space : spaces_of(module)) {
    ASSERT_EQ(space->phi.rows, 6);
    for (Index i = 0; i < 6; ++i) {
      EXPECT_NEAR(space->phi.at(i, i), 1.0, kExact);
      EXPECT_NEAR(space->distance(i + 1, i + 1), 0.0, 1e-6);
    }
    EXPECT_EQ(space->top(), space->phi.at(0, 0));
    EXPECT_EQ(space->whole(), space->phi.at(5, 5));
  }
  EXPECT_EQ(module.a.dimension, 40);
  EXPECT_EQ(module.b.dimension, 30);
}

TEST(Similarity, OrthogonalAdaptersGiveZeroAndTheLargestDistance) {
  const MemoryUpdates x = one_module(axes(4, 40, 0, {8, 4, 2, 1}), turned(axes(4, 30, 0, {8, 4, 2, 1})));
  const MemoryUpdates y = one_module(axes(3, 40, 4, {8, 4, 2}), turned(axes(3, 30, 4, {8, 4, 2})));
  const ModuleSimilarity module = only_module(x, y);
  for (const SubspaceSimilarity* space : spaces_of(module)) {
    ASSERT_EQ(space->phi.rows, 4);
    ASSERT_EQ(space->phi.cols, 3);
    for (const double value : space->phi.values) EXPECT_NEAR(value, 0.0, kExact);
    EXPECT_NEAR(space->distance(4, 3), std::sqrt(3.0), kExact);
  }
}

TEST(Similarity, TopDirectionsOfAnotherAdapterGiveOneWhereTheyAreContained) {
  // Directions of y in order are axes 2, 3, 4, ...; x has the first three of them.
  const MemoryUpdates x = one_module(axes(3, 40, 2, {9, 5, 1}), turned(axes(3, 30, 2, {9, 5, 1})));
  const MemoryUpdates y =
      one_module(axes(6, 40, 2, {6, 5, 4, 3, 2, 1}), turned(axes(6, 30, 2, {6, 5, 4, 3, 2, 1})));
  const ModuleSimilarity module = only_module(x, y);
  for (const SubspaceSimilarity* space : spaces_of(module)) {
    for (Index i = 0; i < 3; ++i) {
      for (Index j = i; j < 6; ++j) EXPECT_NEAR(space->phi.at(i, j), 1.0, kExact) << i << " " << j;
    }
  }
}

TEST(Similarity, OverlapByAKnownAngleIsTheSquareOfItsCosine) {
  Grid a = axes(1, 10, 0, {1});
  a.at(0, 0) = 2 * std::cos(0.3);
  a.at(0, 1) = 2 * std::sin(0.3);
  const MemoryUpdates x = one_module(axes(2, 10, 0, {2, 1}), turned(axes(2, 8, 0, {2, 1})));
  const MemoryUpdates y = one_module(a, turned(axes(1, 8, 0, {1})));
  const ModuleSimilarity module = only_module(x, y);
  EXPECT_NEAR(module.a.phi.at(0, 0), std::cos(0.3) * std::cos(0.3), kExact);
  EXPECT_NEAR(module.a.phi.at(1, 0), 1.0, kExact);
  EXPECT_NEAR(module.a.distance(1, 1), std::sin(0.3), kExact);
}

TEST(Similarity, DuplicatedDirectionsCountOnce) {
  Grid a = random_grid(4, 20, 1);
  for (Index j = 0; j < 20; ++j) a.at(3, j) = a.at(1, j);
  const MemoryUpdates x = one_module(a, random_grid(16, 4, 2));
  const ModuleSimilarity module = only_module(x, x);
  EXPECT_EQ(module.a.phi.rows, 3);
  EXPECT_EQ(module.b.phi.rows, 4);
  EXPECT_EQ(module.row.phi.rows, 3);
  EXPECT_EQ(module.first.directions, 3);
}

TEST(Similarity, RankAboveTheDimensionGivesAsManyDirectionsAsThereAre) {
  const MemoryUpdates x = one_module(random_grid(9, 5, 1), random_grid(7, 9, 2));
  const ModuleSimilarity module = only_module(x, x);
  EXPECT_EQ(module.a.phi.rows, 5);
  EXPECT_EQ(module.b.phi.rows, 7);
  EXPECT_EQ(module.row.phi.rows, 5);
  EXPECT_NEAR(module.row.whole(), 1.0, kExact);
}

TEST(Similarity, EqualSingularValuesAreFlaggedAndOthersAreNot) {
  const MemoryUpdates x = one_module(axes(4, 20, 0, {4, 3, 3, 1}), turned(axes(4, 16, 0, {1, 1, 1, 1})));
  const MemoryUpdates y = one_module(random_grid(2, 20, 1), random_grid(16, 2, 2));
  const ModuleSimilarity module = only_module(x, y);
  EXPECT_EQ(module.row.ties_first, std::vector<Index>{2});
  EXPECT_TRUE(module.row.ties_second.empty());
  EXPECT_EQ(module.b.ties_first, (std::vector<Index>{1, 2, 3}));
  EXPECT_FALSE(module.row.determined(2, 1));
  EXPECT_TRUE(module.row.determined(3, 2));
}

TEST(Similarity, ZeroUpdateHasNoDirectionsAndSaysSo) {
  const MemoryUpdates zero = one_module(random_grid(3, 20, 1), Grid(16, 3));
  const MemoryUpdates other = one_module(random_grid(2, 20, 3), random_grid(16, 2, 2));
  const ModuleSimilarity module = only_module(zero, other);
  EXPECT_EQ(module.note, "in the first, ΔW is zero (B = 0)");
  EXPECT_EQ(module.a.phi.rows, 3);  // A has directions all the same
  EXPECT_TRUE(module.b.phi.empty());
  EXPECT_TRUE(module.row.phi.empty());
  EXPECT_EQ(module.row.top(), 0.0);
  EXPECT_EQ(only_module(other, zero).note, "in the second, ΔW is zero (B = 0)");
}

TEST(Similarity, FactorsThatCancelAreZeroAndNotNoise) {
  Grid a = random_grid(2, 20, 1);
  for (Index j = 0; j < 20; ++j) a.at(1, j) = -a.at(0, j);
  Grid b = random_grid(16, 2, 2);
  for (Index i = 0; i < 16; ++i) b.at(i, 1) = b.at(i, 0);
  const ModuleSimilarity module = only_module(one_module(a, b), one_module(a, b));
  EXPECT_EQ(module.first.directions, 0);
  EXPECT_EQ(module.note, "in the first, ΔW is zero (BA = 0); in the second, ΔW is zero (BA = 0)");
}

TEST(Similarity, DenseUpdateHasTheDirectionsOfItsFactors) {
  const Grid a = random_grid(3, 20, 1);
  const Grid b = random_grid(16, 3, 2);
  const ModuleSimilarity module = only_module(one_module(a, b), one_difference(product(b, a)));
  EXPECT_EQ(module.second.directions, 3);
  EXPECT_TRUE(module.a.phi.empty());
  for (Index i = 0; i < 3; ++i) {
    EXPECT_NEAR(module.row.phi.at(i, i), 1.0, 1e-10);
    EXPECT_NEAR(module.column.phi.at(i, i), 1.0, 1e-10);
  }
}

TEST(Similarity, ModulesOfOneSideOnlyAreListedAndDifferentModelsAreAnError) {
  MemoryUpdates x;
  MemoryUpdates y;
  x.add("same", random_grid(2, 8, 1), random_grid(6, 2, 2));
  x.add("left", random_grid(2, 8, 1), random_grid(6, 2, 2));
  x.add("wide", random_grid(2, 8, 1), random_grid(6, 2, 2));
  y.add("wide", random_grid(2, 9, 1), random_grid(6, 2, 2));
  y.add("same", random_grid(2, 8, 1), random_grid(6, 2, 2));
  y.add("right", random_grid(2, 8, 1), random_grid(6, 2, 2));
  const SimilarityReport report = measure_similarity(x, y);
  ASSERT_EQ(report.modules.size(), 1U);
  EXPECT_EQ(report.modules[0].module, "same");
  ASSERT_EQ(report.skipped.size(), 3U);
  EXPECT_EQ(report.skipped[0].module + ": " + report.skipped[0].reason, "left: only in the first");
  EXPECT_EQ(report.skipped[1].module + ": " + report.skipped[1].reason,
            "wide: [6,8] in the first, [6,9] in the second");
  EXPECT_EQ(report.skipped[2].module + ": " + report.skipped[2].reason, "right: only in the second");
  const MemoryUpdates other = one_module(random_grid(2, 8, 1), random_grid(6, 2, 2));
  EXPECT_EQ(io::error_of([&] { measure_similarity(x, other); }),
            "[similarity] memory: no module in common with memory (module \"same\": only in the first); "
            "adapters of different models? (or parts of a fused map in one, and the whole in the other)");
}

TEST(Similarity, ControlsHaveTheShapesOfTheGrids) {
  const MemoryUpdates x = one_module(random_grid(2, 20, 1), random_grid(16, 2, 2));
  const MemoryUpdates y = one_module(random_grid(3, 20, 3), random_grid(16, 3, 4));
  const SimilarityReport report = measure_similarity(x, y, {.control_seeds = 4});
  const GaussianControl* control = report.control(report.modules.at(0).b);
  ASSERT_NE(control, nullptr);
  EXPECT_EQ(control->dimension, 16);
  EXPECT_EQ(control->seeds, 4);
  EXPECT_EQ(control->mean.rows, 2);
  EXPECT_EQ(control->mean.cols, 3);
}

}  // namespace
}  // namespace lorry::analysis
