#include "train/advice.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace lorry::train {
namespace {

/// A module of a 64 x 64 map whose update has this effective rank, three quarters of it holding the energy,
/// and has settled.
XrayModule module(const std::string& name, Index rank, double effective_rank, double delta_norm = 1.0) {
  XrayModule made{.figures = {}, .rank = rank, .inputs = 64, .outputs = 64};
  made.figures.module = name;
  made.figures.delta_norm = delta_norm;
  made.figures.effective_rank = effective_rank;
  made.figures.sufficient_rank = std::max<Index>(1, static_cast<Index>(effective_rank * 0.75));
  made.figures.zero = delta_norm == 0.0;
  made.figures.compared = delta_norm != 0.0;
  made.figures.settled_left = 0.99;
  made.figures.settled_right = 0.98;
  return made;
}

/// Ten modules, each with these figures.
XrayReport report(Index rank, double effective_rank) {
  XrayReport made{.step = 100, .modules = {}};
  for (int i = 0; i < 10; ++i) made.modules.push_back(module("m" + std::to_string(i), rank, effective_rank));
  return made;
}

std::vector<AdviceKind> kinds(const XrayReport& last) {
  std::vector<AdviceKind> found;
  for (const Advice& advice : advise(std::vector<XrayReport>{last})) found.push_back(advice.kind);
  return found;
}

using Kinds = std::vector<AdviceKind>;

TEST(Advice, NoneWhereAllIsWell) {
  EXPECT_EQ(kinds(report(8, 6.0)), Kinds{});
  EXPECT_TRUE(advise({}).empty());
}

TEST(Advice, RankIsTooLargeWhereAQuarterOfItHoldsTheEnergyInNineModulesOfTen) {
  XrayReport last = report(16, 12.0);
  for (XrayModule& one : last.modules) one.figures.sufficient_rank = 4;
  last.modules[0].figures.sufficient_rank = 15;
  EXPECT_EQ(kinds(last), Kinds{AdviceKind::kRankTooLarge});
  EXPECT_NE(advise(std::vector{last})[0].text.find("rank 4 should do"), std::string::npos);
  last.modules[1].figures.sufficient_rank = 5;
  last.modules[2].figures.sufficient_rank = 5;
  EXPECT_EQ(kinds(last), Kinds{});
}

TEST(Advice, RankIsTooSmallWhereHalfOfTheModulesUseNearlyAllOfIt) {
  XrayReport last = report(4, 3.7);
  EXPECT_EQ(kinds(last), Kinds{AdviceKind::kRankTooSmall});
  EXPECT_NE(advise(std::vector{last})[0].text.find("try rank 8"), std::string::npos);
  for (std::size_t i = 0; i < 6; ++i) last.modules[i].figures.effective_rank = 3.5;
  EXPECT_EQ(kinds(last), Kinds{});
}

TEST(Advice, RankOneAndMixedRanksSayNothingOfTheRank) {
  EXPECT_EQ(kinds(report(1, 1.0)), Kinds{});
  XrayReport last = report(16, 2.0);
  ASSERT_EQ(kinds(last), Kinds{AdviceKind::kRankTooLarge});
  last.modules[3].rank = 8;
  EXPECT_EQ(kinds(last), Kinds{});
}

TEST(Advice, RankAboveTheMapCountsTheDirectionsThereAre) {
  XrayReport last = report(64, 15.0);  // 11 of 64 hold the energy
  EXPECT_EQ(kinds(last), Kinds{AdviceKind::kRankTooLarge});
  for (XrayModule& narrow : last.modules) narrow.outputs = 16;  // 15 of 16
  EXPECT_EQ(kinds(last), Kinds{AdviceKind::kRankTooSmall});
}

TEST(Advice, ModulesThatLearnedNothingAreNamed) {
  XrayReport last = report(8, 6.0);
  last.modules[2] = module("idle", 8, 0.0, 0.0);
  last.modules[5].figures.delta_norm = 0.019;
  const std::vector<Advice> advice = advise(std::vector{last});
  ASSERT_EQ(kinds(last), Kinds{AdviceKind::kLearnedNothing});
  EXPECT_EQ(advice[0].modules, (std::vector<std::string>{"idle", "m5"}));
  last.modules[5].figures.delta_norm = 0.021;
  EXPECT_EQ(advise(std::vector{last})[0].modules, std::vector<std::string>{"idle"});
  // A small norm on a small map is not a small change.
  last.modules[5].figures.delta_norm = 0.019;
  last.modules[5].inputs = 8;
  EXPECT_EQ(advise(std::vector{last})[0].modules, std::vector<std::string>{"idle"});
}

TEST(Advice, UpdatesThatAreNothingBesideTheirWeightSayNothingOfTheRank) {
  // Noise fills every direction: by its shape alone rank 4 would be too small.
  XrayReport last = report(4, 3.9);
  for (XrayModule& one : last.modules) one.figures.weight_norm = 999.0;
  ASSERT_EQ(kinds(last), Kinds{AdviceKind::kRankTooSmall});
  for (XrayModule& one : last.modules) one.figures.weight_norm = 1001.0;
  ASSERT_EQ(kinds(last), Kinds{AdviceKind::kLearnedNothing});
  EXPECT_EQ(advise(std::vector{last})[0].text,
            "no module learned anything: every update is below 0.1 % of its weight; is the learning rate too "
            "low?");
  EXPECT_EQ(advise(std::vector{last})[0].modules.size(), 10U);
  // Of a few that learned, the rank is theirs.
  for (int i : {0, 1}) {
    last.modules[static_cast<std::size_t>(i)].figures.weight_norm = 10.0;
    last.modules[static_cast<std::size_t>(i)].figures.effective_rank = 2.0;
  }
  EXPECT_EQ(kinds(last), Kinds{AdviceKind::kLearnedNothing});
  last.modules[0].figures.effective_rank = last.modules[1].figures.effective_rank = 3.9;
  EXPECT_EQ(kinds(last), (Kinds{AdviceKind::kLearnedNothing, AdviceKind::kRankTooSmall}));
}

TEST(Advice, ARunWhoseLossDidNotFallSaysNothingOfTheRank) {
  for (XrayReport last : {report(4, 3.9), report(16, 2.0)}) {
    last.loss = {.first = 2.5, .last = 2.29, .noise = 0.1};
    ASSERT_EQ(kinds(last).size(), 1U);
    EXPECT_NE(kinds(last)[0], AdviceKind::kNoProgress);
    last.loss->last = 2.31;
    EXPECT_EQ(kinds(last), Kinds{AdviceKind::kNoProgress});
    EXPECT_NE(advise(std::vector{last})[0].text.find("2.5000, of the last 2.3100"), std::string::npos);
    last.loss->last = 3.0;
    EXPECT_EQ(kinds(last), Kinds{AdviceKind::kNoProgress});
  }
  XrayReport still = report(8, 6.0);
  still.loss = {.first = 2.0, .last = 2.0, .noise = 0.0};
  EXPECT_EQ(to_json(advise(std::vector{still}))[0]["kind"], "no_progress");
}

TEST(Advice, EveryModuleIdle) {
  XrayReport last{.step = 10, .modules = {module("a", 8, 0.0, 0.0), module("b", 8, 0.0, 0.0)}};
  ASSERT_EQ(kinds(last), Kinds{AdviceKind::kLearnedNothing});
  EXPECT_NE(advise(std::vector{last})[0].text.find("no module learned anything"), std::string::npos);
}

TEST(Advice, AHandfulOfStepsIsNotJudged) {
  XrayReport last = report(16, 2.0);
  last.step = 19;
  ASSERT_EQ(kinds(last), Kinds{AdviceKind::kTooShort});
  const Advice advice = advise(std::vector{last})[0];
  EXPECT_EQ(advice.text, "19 steps are too few to judge rank, layers and duration by; expected 20 or more");
  EXPECT_EQ(to_json({advice})[0]["kind"], "too_short");
  last.step = 20;
  EXPECT_EQ(kinds(last), Kinds{AdviceKind::kRankTooLarge});
}

TEST(Advice, DirectionsStillMoving) {
  XrayReport last = report(8, 6.0);
  for (XrayModule& one : last.modules) one.figures.settled_left = 0.89;
  EXPECT_EQ(kinds(last), Kinds{AdviceKind::kStillMoving});
  for (XrayModule& one : last.modules) one.figures.compared = false;
  EXPECT_EQ(kinds(last), Kinds{}) << "a single measurement cannot tell";
}

}  // namespace
}  // namespace lorry::train
