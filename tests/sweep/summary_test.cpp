// Means and spreads over seeds.
#include "sweep/summary.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace lorry::sweep {
namespace {

CellResult cell(double held_out, std::string failure = "") {
  CellResult result;
  result.held_out = {{0, 9.0}, {4, held_out}};
  result.training = {{2, 3.0}, {4, held_out - 0.1}};
  result.seconds = 2;
  result.tokens_per_second = 100;
  result.failure = std::move(failure);
  return result;
}

/// Rows of two seeds.
Plan plan_of(Index rows) {
  Plan plan;
  plan.seeds = 2;
  for (Index row = 0; row < rows; ++row) {
    plan.rows.emplace_back();
    for (Index seed = 0; seed < 2; ++seed) plan.cells.push_back({.name = "", .row = row, .options = {}});
  }
  return plan;
}

TEST(Spread, IsTheSampleStandardDeviation) {
  const auto spread = spread_of(std::vector<double>{1.0, 2.0, 4.0, 5.0});
  ASSERT_TRUE(spread && spread->deviation);
  EXPECT_EQ(spread->n, 4);
  EXPECT_DOUBLE_EQ(spread->mean, 3.0);
  EXPECT_DOUBLE_EQ(*spread->deviation, std::sqrt(10.0 / 3.0));
}

TEST(Spread, OfOneValueHasNoDeviationAndOfNoneIsNothing) {
  const auto one = spread_of(std::vector<double>{0.25});
  ASSERT_TRUE(one.has_value());
  EXPECT_EQ(one->mean, 0.25);
  EXPECT_FALSE(one->deviation.has_value());
  EXPECT_FALSE(spread_of({}).has_value());
}

TEST(Spread, OfEqualValuesIsZero) {
  EXPECT_EQ(spread_of(std::vector<double>{0.1, 0.1, 0.1})->deviation, 0.0);
}

TEST(SweepSummary, TakesTheLastHeldOutLossOfEachSeed) {
  const std::vector<RowSummary> rows = summarise(plan_of(1), {cell(0.5), cell(0.7)});
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].losses, (std::vector<double>{0.5, 0.7}));
  EXPECT_DOUBLE_EQ(rows[0].loss->mean, 0.6);
  EXPECT_DOUBLE_EQ(*rows[0].loss->deviation, std::sqrt(0.02));
  EXPECT_DOUBLE_EQ(rows[0].perplexity->mean, (std::exp(0.5) + std::exp(0.7)) / 2);
  ASSERT_EQ(rows[0].held_out.size(), 2U);
  EXPECT_EQ(rows[0].held_out[0].step, 0);
  EXPECT_EQ(rows[0].held_out[0].loss.mean, 9.0);
  EXPECT_EQ(rows[0].held_out[0].loss.deviation, 0.0);
  EXPECT_DOUBLE_EQ(rows[0].held_out[1].loss.mean, 0.6);
  EXPECT_DOUBLE_EQ(rows[0].training[1].loss.mean, 0.5);
}

TEST(SweepSummary, BestIsTheLowestMeanOfTheRowsThatAreWhole) {
  const auto best = [](const std::vector<RowSummary>& rows) {
    std::vector<bool> marks;
    for (const RowSummary& row : rows) marks.push_back(row.best);
    return marks;
  };
  EXPECT_EQ(best(summarise(plan_of(2), {cell(0.5), cell(0.7), cell(0.1), cell(1.0)})),
            (std::vector<bool>{false, true}));
  // An unfinished row and one with a seed that diverged are out of the race.
  EXPECT_EQ(best(summarise(plan_of(3), {cell(0.5), cell(0.7), cell(0.1), std::nullopt, cell(0.1),
                                        cell(0.1, "diverged")})),
            (std::vector<bool>{true, false, false}));
  EXPECT_EQ(best(summarise(plan_of(1), {std::nullopt, std::nullopt})), std::vector<bool>{false});
}

TEST(Summary, RowsWithinOneDeviationOfTheBestAreNearIt) {
  const auto near = [](const std::vector<RowSummary>& rows) {
    std::vector<bool> marks;
    for (const RowSummary& row : rows) marks.push_back(row.near_best);
    return marks;
  };
  using Marks = std::vector<bool>;
  // 0.5 ± 0.014; 0.51 ± 0.014; 0.55 ± 0.014; 0.6 ± 0.28, which may well be better.
  EXPECT_EQ(near(summarise(plan_of(4), {cell(0.49), cell(0.51), cell(0.50), cell(0.52), cell(0.54),
                                        cell(0.56), cell(0.4), cell(0.8)})),
            (Marks{true, true, false, true}));
  // One row is not finished, one cell each says nothing of chance.
  EXPECT_EQ(near(summarise(plan_of(2), {cell(0.5), cell(0.7), cell(0.5), std::nullopt})),
            (Marks{true, false}));
}

TEST(SweepSummary, DivergedCellsCountButHaveNoLoss) {
  const std::vector<RowSummary> rows = summarise(plan_of(1), {cell(0.5), cell(0.7, "diverged")});
  EXPECT_EQ(rows[0].finished, 2);
  EXPECT_EQ(rows[0].failed, 1);
  EXPECT_EQ(rows[0].loss->n, 1);
  EXPECT_EQ(rows[0].loss->mean, 0.5);
}

}  // namespace
}  // namespace lorry::sweep
