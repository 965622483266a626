#include "data/packing.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "core/rng.hpp"

namespace lorry::data {
namespace {

std::vector<Document> documents_of(const std::vector<Index>& sizes) {
  std::vector<Document> documents;
  for (const Index size : sizes) {
    Document document;
    for (Index t = 0; t < size; ++t) {
      document.ids.push_back(static_cast<std::int32_t>(100 * (documents.size() + 1)) + static_cast<int>(t));
    }
    documents.push_back(document);
  }
  return documents;
}

std::vector<Index> in_order(std::size_t count) {
  std::vector<Index> order(count);
  std::iota(order.begin(), order.end(), Index{0});
  return order;
}

TEST(ShuffledOrder, IsAPermutationFixedBySeedAndEpoch) {
  const auto order = shuffled_order(100, 7, 3);
  EXPECT_EQ(order, shuffled_order(100, 7, 3));
  EXPECT_NE(order, shuffled_order(100, 7, 4));
  EXPECT_NE(order, shuffled_order(100, 8, 3));
  auto sorted = order;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(sorted, in_order(100));
}

TEST(ShuffledOrder, PutsEveryDocumentEverywhereEquallyOften) {
  constexpr Index kTrials = 12000;
  int counts[4][4] = {};
  for (Index epoch = 0; epoch < kTrials; ++epoch) {
    const auto order = shuffled_order(4, 1, epoch);
    for (std::size_t place = 0; place < 4; ++place) ++counts[place][order[place]];
  }
  for (const auto& row : counts) {
    for (const int count : row) EXPECT_NEAR(count, kTrials / 4, 200);  // 4 standard deviations
  }
}

TEST(PackGroups, FillsGapsFromTheNextDocumentsOnly) {
  const auto documents = documents_of({6, 5, 5, 4, 2});
  const GroupedOrder grouped = ungrouped(documents, in_order(5));
  EXPECT_EQ(pack_groups(grouped, 10, 8), (std::vector<Sequence>{{0, 3}, {1, 2}, {4}}));
  EXPECT_EQ(pack_groups(grouped, 10, 3), (std::vector<Sequence>{{0, 3}, {1, 2}, {4}}));
  EXPECT_EQ(pack_groups(grouped, 10, 2), (std::vector<Sequence>{{0}, {1, 2}, {3, 4}}));
  EXPECT_EQ(pack_groups(grouped, 8, 2), (std::vector<Sequence>{{0}, {1}, {2, 4}, {3}}));
  EXPECT_EQ(pack_groups(grouped, 8, 4), (std::vector<Sequence>{{0, 4}, {1}, {2}, {3}}));
}

TEST(PackGroups, UsesEveryDocumentOnceAndLeavesLittleRoom) {
  Rng rng(5);
  std::vector<Index> sizes(1000);
  Index total = 0;
  for (Index& size : sizes) total += size = 2 + rng.next_below(200);
  const auto documents = documents_of(sizes);
  const auto sequences = pack_groups(ungrouped(documents, shuffled_order(1000, 0, 0)), 512, 64);
  std::vector<Index> seen;
  for (const Sequence& sequence : sequences) {
    Index rows = 0;
    for (const Index document : sequence) rows += sizes[static_cast<std::size_t>(document)];
    EXPECT_LE(rows, 512);
    seen.insert(seen.end(), sequence.begin(), sequence.end());
  }
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, in_order(1000));
  EXPECT_LT(static_cast<double>(sequences.size()) * 512, 1.02 * static_cast<double>(total));
}

TEST(MakeBatch, LaysOutRowsTargetsPositionsAndPadding) {
  auto documents = documents_of({3, 2, 4});
  documents[2].targets_from = 3;
  const std::vector<Sequence> sequences = {{2}, {0, 1}};
  const Batch batch = make_batch(documents, sequences, 8);
  EXPECT_EQ(batch.ids,
            (std::vector<std::int32_t>{300, 301, 302, 303, 100, 101, 102, 200, 201, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(batch.targets,
            (std::vector<std::int32_t>{-1, -1, 303, -1, 101, 102, -1, 201, -1, -1, -1, -1, -1, -1, -1, -1}));
  EXPECT_EQ(batch.positions, (std::vector<std::int32_t>{0, 1, 2, 3, 0, 1, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(batch.offsets, (std::vector<Index>{0, 4, 7, 9, 16}));
  EXPECT_EQ(batch.target_count, 4);
  EXPECT_EQ(batch.token_count, 9);
}

TEST(MakeBatch, AddsNoPaddingDocumentWhenRowsFit) {
  const auto documents = documents_of({4, 4});
  const Batch batch = make_batch(documents, std::vector<Sequence>{{0, 1}}, 8);
  EXPECT_EQ(batch.offsets, (std::vector<Index>{0, 4, 8}));
  EXPECT_EQ(batch.rows(), 8);
  EXPECT_EQ(batch.documents(), 2);
}

}  // namespace
}  // namespace lorry::data
