#include "generate/finished_beams.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace lorry::generate {
namespace {

FinishedBeams two_of(float length_penalty, EarlyStopping early) {
  FinishedBeams finished({.num_beams = 2, .length_penalty = length_penalty, .early_stopping = early}, 16);
  finished.add({1}, true, -3.0F, 2);
  finished.add({2, 3}, false, -8.0F, 4);
  return finished;
}

TEST(FinishedBeams, KeepTheBestByScorePerLength) {
  FinishedBeams finished = two_of(1.0F, EarlyStopping::kFalse);
  ASSERT_EQ(finished.beams().size(), 2U);
  EXPECT_EQ(finished.beams()[0].score, -1.5F);
  EXPECT_EQ(finished.beams()[1].score, -2.0F);
  finished.add({4}, true, -20.0F, 4);  // -5: worse than both
  EXPECT_EQ(finished.beams()[1].ids, (std::vector<std::int32_t>{2, 3}));
  finished.add({5}, true, -4.0F, 4);  // -1: the best
  ASSERT_EQ(finished.beams().size(), 2U);
  EXPECT_EQ(finished.beams()[0].ids, std::vector<std::int32_t>{5});
  EXPECT_EQ(finished.beams()[1].ids, std::vector<std::int32_t>{1});
}

TEST(FinishedBeams, LengthPenaltyIsAPower) {
  EXPECT_EQ(two_of(2.0F, EarlyStopping::kFalse).beams()[0].score, -0.5F);  // -8 / 16
  EXPECT_EQ(two_of(0.0F, EarlyStopping::kFalse).beams()[0].score, -3.0F);
  EXPECT_EQ(two_of(-1.0F, EarlyStopping::kFalse).beams()[1].score, -32.0F);
}

TEST(FinishedBeams, ATokenThatWasBannedIsNoResult) {
  FinishedBeams finished({.num_beams = 1}, 16);
  finished.add({1}, true, -std::numeric_limits<float>::infinity(), 2);
  EXPECT_TRUE(finished.beams().empty());
}

TEST(FinishedBeams, SufficeWhenFullAndNoRunningBeamIsBetter) {
  FinishedBeams one({.num_beams = 2}, 16);
  one.add({1}, true, -3.0F, 2);
  EXPECT_FALSE(one.suffice(-100.0F, 8)) << "one of two is finished";
  const FinishedBeams finished = two_of(1.0F, EarlyStopping::kFalse);  // the worse has -2
  EXPECT_FALSE(finished.suffice(-15.9F, 8));
  EXPECT_TRUE(finished.suffice(-16.0F, 8));
  EXPECT_TRUE(two_of(1.0F, EarlyStopping::kTrue).suffice(-0.1F, 8));
  const FinishedBeams never = two_of(1.0F, EarlyStopping::kNever);  // at length 16
  EXPECT_FALSE(never.suffice(-31.9F, 8));
  EXPECT_TRUE(never.suffice(-32.0F, 8));
  const FinishedBeams shorter = two_of(-1.0F, EarlyStopping::kNever);  // the worse has -32, at length 8
  EXPECT_FALSE(shorter.suffice(-3.9F, 8));
  EXPECT_TRUE(shorter.suffice(-4.0F, 8));
}

}  // namespace
}  // namespace lorry::generate
