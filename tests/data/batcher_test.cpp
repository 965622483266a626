#include "data/batcher.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/error.hpp"
#include "core/rng.hpp"

namespace lorry::data {
namespace {

/// Documents of 2 to 20 tokens; document d is made of the id d alone.
std::vector<Document> make_documents(Index count) {
  Rng rng(3);
  std::vector<Document> documents;
  for (Index d = 0; d < count; ++d) {
    documents.push_back({std::vector<std::int32_t>(static_cast<std::size_t>(2 + rng.next_below(19)),
                                                   static_cast<std::int32_t>(d)),
                         1});
  }
  return documents;
}

BatcherOptions small_options() {
  return {.batch_size = 2, .max_seq_length = 32, .seed = 11, .row_multiple = 8};
}

TEST(Batcher, GivesEveryDocumentOncePerEpoch) {
  const auto documents = make_documents(50);
  Batcher batcher(documents, small_options());
  for (Index epoch = 0; epoch < 3; ++epoch) {
    std::multiset<std::int32_t> seen;
    const Index steps = batcher.batches_in_epoch(epoch);
    for (Index step = 0; step < steps; ++step) {
      EXPECT_EQ(batcher.state(), (BatcherState{epoch, step}));
      const Batch batch = batcher.next();
      EXPECT_EQ(batch.rows() % 8, 0);
      EXPECT_LE(batch.token_count, 64);
      EXPECT_EQ(batcher.at_epoch_end(), step + 1 == steps);
      for (std::size_t d = 0; batch.offsets[d] < batch.token_count; ++d) {
        seen.insert(batch.ids[static_cast<std::size_t>(batch.offsets[d])]);
      }
    }
    EXPECT_EQ(seen.size(), 50U);
    EXPECT_EQ(std::set<std::int32_t>(seen.begin(), seen.end()).size(), 50U);
  }
}

TEST(Batcher, ResumesAnywhereAsIfNeverStopped) {
  const auto documents = make_documents(30);
  Batcher whole(documents, small_options());
  for (int step = 0; step < 25; ++step) {
    Batcher resumed(documents, small_options());
    resumed.seek(whole.state());
    for (int more = 0; more < 3; ++more) {
      Batcher copy(documents, small_options());
      copy.seek(resumed.state());
      EXPECT_EQ(copy.next().ids, resumed.next().ids);
    }
    Batcher again(documents, small_options());
    again.seek(whole.state());
    EXPECT_EQ(again.next().ids, whole.next().ids);
  }
  EXPECT_GE(whole.state().epoch, 2);
}

TEST(Batcher, AccumulatedSmallBatchesAreTheBigBatch) {
  const auto documents = make_documents(40);
  BatcherOptions big = small_options();
  big.batch_size = 4;
  big.row_multiple = 1;
  BatcherOptions small = big;
  small.batch_size = 1;
  Batcher big_batches(documents, big);
  Batcher small_batches(documents, small);
  const Batch expected = big_batches.next();
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 4; ++i) {
    const Batch batch = small_batches.next();
    ids.insert(ids.end(), batch.ids.begin(), batch.ids.end());
  }
  EXPECT_EQ(ids, expected.ids);
}

TEST(Batcher, WithoutPackingASequenceIsOneDocument) {
  const auto documents = make_documents(7);
  BatcherOptions options = small_options();
  options.pack = false;
  options.row_multiple = 1;
  Batcher batcher(documents, options);
  EXPECT_EQ(batcher.batches_in_epoch(0), 4);
  for (int step = 0; step < 4; ++step) EXPECT_EQ(batcher.next().documents(), step < 3 ? 2 : 1);
}

TEST(EpochPlan, WithoutShuffleKeepsTheOrder) {
  const auto documents = make_documents(40);
  BatcherOptions options = small_options();
  options.shuffle = false;
  const EpochPlan plan(documents, options, 5);
  std::vector<std::int32_t> ids;
  for (Index i = 0; i < plan.size(); ++i) {
    const Batch batch = plan.batch(i);
    ids.insert(ids.end(), batch.ids.begin(), batch.ids.begin() + batch.token_count);
  }
  std::vector<std::int32_t> expected;
  for (const Document& document : documents) {
    expected.insert(expected.end(), document.ids.begin(), document.ids.end());
  }
  EXPECT_EQ(ids, expected);
}

TEST(Batcher, RefusesBadOptionsAndPositions) {
  const auto documents = make_documents(5);
  BatcherOptions options = small_options();
  Batcher batcher(documents, options);
  EXPECT_THROW(batcher.seek({0, batcher.batches_in_epoch(0)}), Error);
  EXPECT_THROW(batcher.seek({-1, 0}), Error);
  options.batch_size = 0;
  EXPECT_THROW(Batcher(documents, options), Error);
}

}  // namespace
}  // namespace lorry::data
