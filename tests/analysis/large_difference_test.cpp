// Differences too large to be decomposed whole: what is known of them, how well, and what is said of the
// rest.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "analysis/compress.hpp"
#include "analysis/memory_updates.hpp"
#include "analysis/similarity.hpp"
#include "analysis/spectrum.hpp"
#include "analysis/subspace.hpp"
#include "analysis/top_directions.hpp"
#include "io/io_support.hpp"

namespace lorry::analysis {
namespace {

/// Above full_side, and above the side up to which top_directions() itself decomposes whole.
constexpr Index kOutputs = 620;
constexpr Index kInputs = 560;
constexpr DecompositionOptions kTop20 = {.full_side = 100, .top = 20};

/// A difference with these singular values in random directions.
MemoryUpdates with_values(const std::vector<double>& sigma) {
  const auto count = static_cast<Index>(sigma.size());
  const Vector values = Eigen::Map<const Vector>(sigma.data(), count);
  const Dense left = random_frame(kOutputs, count, 1, 0);
  const Dense right = random_frame(kInputs, count, 1, 1);
  return one_difference(to_grid(left * values.asDiagonal() * right.transpose()));
}

MemoryUpdates flat() {
  return one_difference(random_grid(kOutputs, kInputs, 7));
}

double error_of(const Update& update, const CompressedModule& module) {
  const Dense low = as_eigen(module.b) * as_eigen(module.a);
  return (as_eigen(update.difference) - low).norm() / as_eigen(update.difference).norm();
}

TEST(LargeDifference, OfLowRankIsFoundWholeByIteration) {
  const MemoryUpdates updates = with_values({9, 7, 4, 2, 1, 0.5});
  const Decomposition top = decompose(updates.read(0), kTop20);
  ASSERT_EQ(top.rank(), 6);
  EXPECT_TRUE(top.complete);
  const std::vector<double> want = {9, 7, 4, 2, 1, 0.5};
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(top.singular_values[i], want[i], 1e-5 * want[i]);
  const Dense gram = as_eigen(top.right).transpose() * as_eigen(top.right);
  EXPECT_LT((gram - Dense::Identity(6, 6)).cwiseAbs().maxCoeff(), 1e-6);
  const ModuleSpectrum spectrum =
      measure_spectra(updates, {.energy_share = 1.0, .decomposition = kTop20}).at(0);
  EXPECT_EQ(spectrum.figures.sufficient_rank, 6) << "the rest is rounding";
  EXPECT_TRUE(spectrum.coverage.complete);
}

TEST(LargeDifference, ARankThatDoesNotHoldTheEnergyIsNotCalledSufficient) {
  const MemoryUpdates updates = flat();
  const ModuleSpectrum exact = measure_spectra(updates, {.energy_share = 0.9}).at(0);
  const ModuleSpectrum cut = measure_spectra(updates, {.energy_share = 0.9, .decomposition = kTop20}).at(0);
  ASSERT_GT(exact.figures.sufficient_rank, 200);
  EXPECT_FALSE(cut.figures.sufficient_rank.has_value());
  EXPECT_FALSE(cut.coverage.complete);
  EXPECT_EQ(cut.coverage.directions, 20);
  // Shares are of all of ΔW.
  EXPECT_NEAR(cut.figures.frobenius_norm, exact.figures.frobenius_norm, 1e-9 * exact.figures.frobenius_norm);
  EXPECT_NEAR(cut.figures.energy.back(), exact.figures.energy[19], 1e-4);
  EXPECT_NEAR(cut.coverage.energy, exact.figures.energy[19], 1e-4);
  EXPECT_NEAR(cut.figures.stable_rank, exact.figures.stable_rank, 1e-3 * exact.figures.stable_rank);
  EXPECT_LT(cut.figures.effective_rank, exact.figures.effective_rank) << "a lower bound";
  // A share that the top directions do hold has its rank all the same.
  const double share = exact.figures.energy[9] - 1e-3;
  EXPECT_EQ(measure_spectra(updates, {.energy_share = share, .decomposition = kTop20})
                .at(0)
                .figures.sufficient_rank,
            measure_spectra(updates, {.energy_share = share}).at(0).figures.sufficient_rank);
}

TEST(LargeDifference, TiesAreJudgedByThePrecisionOfTheirDirections) {
  // Apart by 1e-6 of the largest: float64 tells these directions apart, products in float32 do not.
  const MemoryUpdates updates = with_values({4, 3, 3 - 4e-6, 2});
  const auto ties = [&](const DecompositionOptions& options) {
    return measure_similarity(updates, updates, {.controls = false, .decomposition = options})
        .modules.at(0)
        .row.ties_first;
  };
  EXPECT_EQ(ties({}), std::vector<Index>{});
  EXPECT_EQ(ties(kTop20), std::vector<Index>{2});
}

TEST(LargeDifference, TheLastDirectionKeptIsTiedWithTheFirstLeftOut) {
  const MemoryUpdates updates = with_values({8, 6, 4, 3, 3, 2});
  const auto similarity = [&](Index top) {
    return measure_similarity(updates, updates,
                              {.controls = false, .decomposition = {.full_side = 100, .top = top}})
        .modules.at(0);
  };
  const ModuleSimilarity four = similarity(4);
  EXPECT_EQ(four.row.phi.rows, 4);
  EXPECT_EQ(four.row.ties_first, std::vector<Index>{4});
  EXPECT_FALSE(four.first.complete);
  EXPECT_NEAR(four.first.energy, (64.0 + 36 + 16 + 9) / (64 + 36 + 16 + 9 + 9 + 4), 1e-5);
  EXPECT_EQ(similarity(3).row.ties_first, std::vector<Index>{});
  EXPECT_TRUE(similarity(6).first.complete);
}

TEST(LargeDifference, CompressionMeasuresItsErrorOnAllOfTheUpdate) {
  const MemoryUpdates updates = flat();
  for (const Index rank : {5, 35}) {  // below and above the directions that are computed unasked
    const CompressedModule module = compress(updates, {.rank = rank, .decomposition = kTop20}).at(0);
    EXPECT_EQ(module.rank, rank);
    EXPECT_FALSE(module.coverage.complete);
    EXPECT_NEAR(module.relative_error, error_of(updates.read(0), module), 1e-12);
    EXPECT_NEAR(module.energy, 1 - std::pow(module.relative_error, 2), 1e-12);
  }
}

TEST(LargeDifference, CompressionToAnEnergyHoldsItOrSaysThatItCannot) {
  const MemoryUpdates updates = with_values({9, 7, 4, 2, 1, 0.5, 0.25});
  const CompressedModule module = compress(updates, {.energy_share = 0.95, .decomposition = kTop20}).at(0);
  EXPECT_EQ(module.rank, 3);  // 146 of 151.3
  EXPECT_GE(1 - std::pow(error_of(updates.read(0), module), 2), 0.95);
  const std::string text =
      io::error_of([] { compress(flat(), {.energy_share = 0.9, .decomposition = kTop20}); });
  EXPECT_NE(text.find("module \"m\": its top 20 directions hold 0."), std::string::npos) << text;
  EXPECT_NE(text.find("found energy 0.9, expected at most that, or a rank"), std::string::npos) << text;
}

/// The 20 top directions of a matrix with these rows and zeros below.
TopDirections top_of(const Grid& rows) {
  static const std::unique_ptr<ops::Ops> ops = ops::make_cpu_ops(1);
  Matrix stored(kOutputs, kInputs);
  for (Index i = 0; i < rows.rows; ++i) {
    for (Index j = 0; j < rows.cols; ++j) stored.row<float>(i)[j] = static_cast<float>(rows.at(i, j));
  }
  WeightMatrix weight(*ops);
  weight.load(stored, false);
  return top_directions(weight, 20);
}

TEST(LargeDifference, TopDirectionsOfDeficientMatricesAreOrthonormalAndFinite) {
  // Of rank 0, 1 and 5, fewer than one block of the iteration; of rank 30, in the middle of its second.
  for (const Index rank : {0, 1, 5, 30}) {
    const Grid rows = random_grid(rank, kInputs, 3);
    const TopDirections top = top_of(rows);
    ASSERT_TRUE(top.sigma.allFinite() && top.left.allFinite() && top.right.allFinite()) << rank;
    ASSERT_EQ(top.sigma.size(), 20);
    const Dense left = top.left.transpose() * top.left;
    const Dense right = top.right.transpose() * top.right;
    EXPECT_LT((left - Dense::Identity(20, 20)).cwiseAbs().maxCoeff(), 1e-5) << rank;
    EXPECT_LT((right - Dense::Identity(20, 20)).cwiseAbs().maxCoeff(), 1e-5) << rank;
    const double whole = rank == 0 ? 0.0 : as_eigen(rows).norm();
    if (rank < 20) {
      EXPECT_NEAR(top.sigma.norm(), whole, 1e-5 * whole) << rank;
    }
  }
}

}  // namespace
}  // namespace lorry::analysis
