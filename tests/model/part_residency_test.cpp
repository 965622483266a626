#include "model/part_residency.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <utility>

namespace lorry::model {
namespace {

/// Reads all that there is room for, at once; which parts.
std::vector<Index> read_all(PartResidency& residency) {
  std::vector<Index> read;
  while (const auto load = residency.start_load()) {
    residency.finish_load(load->part, true);
    read.push_back(load->part);
  }
  return read;
}

TEST(PartResidency, ReadsAheadAndDropsWhatIsNeededLast) {
  PartResidency residency({10, 10, 10, 10}, 20);
  residency.start_pass({0, 1, 2, 3, 2, 1, 0});
  EXPECT_EQ(read_all(residency), (std::vector<Index>{0, 1}));
  EXPECT_EQ(residency.go_on(), 0);
  EXPECT_EQ(read_all(residency), (std::vector<Index>{}));
  EXPECT_EQ(residency.go_on(), 1);
  EXPECT_EQ(read_all(residency), (std::vector<Index>{2}));  // 0 is needed last
  EXPECT_FALSE(residency.ready(0));
  EXPECT_EQ(residency.go_on(), 2);
  EXPECT_EQ(read_all(residency), (std::vector<Index>{3}));
  EXPECT_EQ(residency.go_on(), 3);
  EXPECT_EQ(read_all(residency), (std::vector<Index>{}));  // turns round on 2
  EXPECT_EQ(residency.go_on(), 2);
  EXPECT_EQ(read_all(residency), (std::vector<Index>{1}));
}

TEST(PartResidency, WhatIsBeingReadIsNeitherDroppedNorReady) {
  PartResidency residency({10, 10, 10}, 20);
  residency.start_pass({0, 1, 2});
  const auto first = residency.start_load();
  ASSERT_TRUE(first);
  EXPECT_FALSE(residency.ready(first->part));
  const auto second = residency.start_load();
  ASSERT_TRUE(second);
  EXPECT_EQ(residency.held(), 20);
  EXPECT_FALSE(residency.start_load());
  residency.finish_load(first->part, false);
  EXPECT_EQ(residency.held(), 10);
  EXPECT_FALSE(residency.ready(first->part));
  const auto again = residency.start_load();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->part, first->part);
  residency.finish_load(again->part, true);
  EXPECT_TRUE(residency.ready(again->part));
}

TEST(RoundTrip, NothingIsReadOfWhatFits) {
  const RoundTrip trip = round_trip({10, 20, 30}, 60);
  EXPECT_EQ(trip.read, 0);
  EXPECT_EQ(trip.held, 60);
}

TEST(RoundTrip, EqualPartsAreReadTwiceButForThoseThatStay) {
  const RoundTrip trip = round_trip({10, 10, 10, 10, 10, 10}, 30);
  EXPECT_EQ(trip.read, 2 * (60 - 30));
  EXPECT_EQ(trip.held, 30);
}

TEST(RoundTrip, PartsAreNotCut) {
  // Two blocks, or one and the head: a third block has no room, and three bytes are never used.
  const RoundTrip trip = round_trip({8, 8, 8, 8, 12}, 23);
  EXPECT_EQ(trip.held, 20);
  EXPECT_LE(trip.read, 2 * 44);
  EXPECT_GE(trip.read, 2 * (44 - 23));
}

TEST(RoundTrip, HoldsNeverMoreThanTheBudget) {
  const std::vector<Index> bytes = {9, 7, 7, 11, 7, 3, 12};
  const Index all = std::accumulate(bytes.begin(), bytes.end(), Index{0});
  Index before = 2 * all;
  for (Index budget = 12; budget <= all; ++budget) {
    const RoundTrip trip = round_trip(bytes, budget);
    EXPECT_LE(trip.held, budget);
    EXPECT_GE(trip.held, 12);
    EXPECT_GE(trip.read, 2 * (all - budget)) << budget;
    EXPECT_LE(trip.read, 2 * all);
    before = trip.read;
  }
  EXPECT_EQ(before, 0);
}

}  // namespace
}  // namespace lorry::model
