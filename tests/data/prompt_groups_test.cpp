// Documents that share a prompt: which come together, what their rows are, and that none is lost.
#include "data/prompt_groups.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "core/rng.hpp"
#include "data/batcher.hpp"

namespace lorry::data {
namespace {

/// A prompt of `prompt` tokens, all `id`, and an answer of tokens of its own.
Document document_of(std::int32_t id, Index prompt, std::vector<std::int32_t> answer) {
  Document document{.ids = std::vector<std::int32_t>(static_cast<std::size_t>(prompt), id),
                    .targets_from = prompt};
  document.ids.insert(document.ids.end(), answer.begin(), answer.end());
  return document;
}

/// Three prompts of 4, 1 and 6 tokens in turns, and texts, which have none.
std::vector<Document> mixed_documents() {
  std::vector<Document> documents;
  for (std::int32_t i = 0; i < 4; ++i) {
    documents.push_back(document_of(1, 4, {10 + i, 20 + i}));
    documents.push_back(document_of(2, 1, {10 + i}));
    documents.push_back(document_of(3, 6, {10 + i}));
    documents.push_back({{7, 7, 7}, 1});
  }
  return documents;
}

using Groups = std::vector<std::vector<Index>>;

Groups groups_of(const GroupedOrder& grouped) {
  Groups groups;
  for (const DocumentGroup& group : grouped.groups) {
    const auto documents = grouped.documents(group);
    groups.emplace_back(documents.begin(), documents.end());
  }
  return groups;
}

TEST(PromptGroups, AreOfDocumentsWithTheSamePromptInTheOrderOfTheirFirst) {
  const auto documents = mixed_documents();
  const std::vector<Index> order{3, 2, 0, 1, 4, 6, 7, 5, 8, 10, 9, 11};
  const GroupedOrder grouped = group_by_prompt(documents, order, 100);
  // Prompts of one token have nothing in front of the token that predicts.
  EXPECT_EQ(groups_of(grouped), (Groups{{3}, {2, 6, 10}, {0, 4, 8}, {1}, {7}, {5}, {9}, {11}}));
  EXPECT_EQ(grouped.groups[1].rows, 5 + 3 * 1);
  EXPECT_EQ(grouped.groups[2].rows, 3 + 3 * 2);
  EXPECT_EQ(grouped.groups[0].rows, 3);
}

TEST(PromptGroups, AreCutWhereTheirRowsAreTooMany) {
  const auto documents = mixed_documents();
  const std::vector<Index> order{0, 4, 8, 12};
  EXPECT_EQ(groups_of(group_by_prompt(documents, order, 11)), (Groups{{0, 4, 8, 12}}));
  EXPECT_EQ(groups_of(group_by_prompt(documents, order, 10)), (Groups{{0, 4, 8}, {12}}));
  EXPECT_EQ(groups_of(group_by_prompt(documents, order, 8)), (Groups{{0, 4}, {8, 12}}));
  EXPECT_EQ(groups_of(group_by_prompt(documents, order, 6)), (Groups{{0}, {4}, {8}, {12}}));
  EXPECT_EQ(group_by_prompt(documents, order, 10).groups.back().rows, 6);
}

TEST(PromptGroups, OfAllDocumentsSpareTheseRows) {
  const auto documents = mixed_documents();
  Index tokens = 0;
  for (const Document& document : documents) tokens += document.size();
  EXPECT_EQ(rows_spared(documents), 3 * 4 + 1 + 3 * 6 + 1);
  const EpochPlan plan(documents, {.max_seq_length = 100, .share_prompts = true}, 0);
  EXPECT_EQ(plan.tokens(), tokens - rows_spared(documents));
}

TEST(PromptGroups, HaveTheirPromptOnceInABatch) {
  std::vector<Document> documents{document_of(5, 3, {11, 12}), document_of(5, 3, {13, 14, 15}),
                                  document_of(6, 3, {16, 17}), document_of(5, 3, {18, 19})};
  documents[1].masked = {{4, 5}};
  const std::vector<Sequence> sequences{{0, 1, 2}, {3}};
  const Batch batch = make_batch(documents, sequences, 4, true);
  EXPECT_EQ(batch.ids, (std::vector<std::int32_t>{5, 5,       // the prompt but for its last token
                                                  5, 11,      // which stands before each answer,
                                                  5, 13, 14,  // whose last token has no row
                                                  6, 6,  6,  16, 17, 5, 5, 5, 18, 19,  // another sequence
                                                  0, 0,  0}));
  EXPECT_EQ(batch.targets, (std::vector<std::int32_t>{-1, -1, 11, 12, 13, -1, 15, -1, -1, 16,
                                                      17, -1, -1, -1, 18, 19, -1, -1, -1, -1}));
  EXPECT_EQ(batch.positions,
            (std::vector<std::int32_t>{0, 1, 2, 3, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 0, 0}));
  EXPECT_EQ(batch.offsets, (std::vector<Index>{0, 2, 4, 7, 12, 17, 20}));
  EXPECT_EQ(batch.parents, (std::vector<Index>{-1, 0, 0, -1, -1, -1}));
  EXPECT_EQ(batch.target_count, 8);
  EXPECT_EQ(batch.token_count, 17);
  const Batch apart = make_batch(documents, sequences, 4);
  EXPECT_EQ(apart.token_count, 21);
  EXPECT_EQ(apart.target_count, 8);
}

/// How often each answer is learnt, by its first token.
std::map<std::int32_t, int> learnt(const EpochPlan& plan, Index capacity) {
  std::map<std::int32_t, int> counts;
  for (Index i = 0; i < plan.size(); ++i) {
    const Batch batch = plan.batch(i);
    EXPECT_LE(batch.token_count, capacity);
    for (const std::int32_t target : batch.targets) {
      if (target >= 1000) ++counts[target];
    }
  }
  return counts;
}

TEST(PromptGroups, LoseNoDocument) {
  Rng rng(4);
  std::vector<Document> documents;
  for (std::int32_t i = 0; i < 300; ++i) {
    const auto prompt = static_cast<std::int32_t>(rng.next_below(20));
    std::vector<std::int32_t> answer(static_cast<std::size_t>(1 + rng.next_below(9)), 50);
    answer.front() = 1000 + i;
    documents.push_back(document_of(prompt, 1 + prompt % 12, answer));
  }
  for (const bool shuffle : {true, false}) {
    for (const Index capacity : {21, 40, 400}) {
      const BatcherOptions options{.batch_size = 2,
                                   .max_seq_length = capacity,
                                   .shuffle = shuffle,
                                   .share_prompts = true,
                                   .row_multiple = 1};
      const EpochPlan plan(documents, options, 3);
      const auto counts = learnt(plan, 2 * capacity);
      EXPECT_EQ(counts.size(), documents.size());
      EXPECT_TRUE(std::ranges::all_of(counts, [](const auto& count) { return count.second == 1; }));
    }
  }
}

/// Where groups came in the order of their first documents, a large one would come early.
TEST(PromptGroups, ComeInAnOrderThatDoesNotDependOnTheirSize) {
  std::vector<Document> documents;
  for (std::int32_t i = 0; i < 20; ++i) documents.push_back(document_of(1, 4, {100 + i}));
  for (std::int32_t i = 0; i < 4; ++i) documents.push_back(document_of(2 + i, 4, {100}));
  constexpr int kTrials = 2000;
  int first = 0;
  for (Index epoch = 0; epoch < kTrials; ++epoch) {
    const EpochPlan plan(documents, {.max_seq_length = 30, .pack = false, .share_prompts = true}, epoch);
    EXPECT_EQ(plan.size(), 5);
    first += plan.batch(0).ids.front() == 1 ? 1 : 0;
  }
  EXPECT_NEAR(first, kTrials / 5, 72);  // 4 standard deviations
}

}  // namespace
}  // namespace lorry::data
