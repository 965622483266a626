// Texts of different lengths that grow side by side, against the whole texts at once.
#include "model/text_cache.hpp"

#include <gtest/gtest.h>

#include "model/golden_case.hpp"

namespace lorry::model {
namespace {

using Ids = std::vector<std::int32_t>;
using Part = Decoder::TextPart;

/// [V] of the last token of a text alone, without a cache.
std::vector<float> last_logits(Decoder& decoder, const Ids& ids) {
  Decoder::Workspace workspace;
  const data::Batch batch = pack({{.ids = ids, .targets = Ids(ids.size(), -1)}});
  Matrix logits(batch.rows(), decoder.config().vocab_size);
  decoder.logits(batch, workspace, logits);
  const float* row = logits.row<float>(batch.rows() - 1);
  return {row, row + logits.cols()};
}

double largest_difference(const float* got, const std::vector<float>& want) {
  double largest = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i])));
  }
  return largest;
}

/// Texts of a cache and what they should hold.
class Texts {
 public:
  Texts(Decoder& decoder, Index count)
      : decoder_(decoder),
        generation_(decoder.start_generation(60, count)),
        ids_(static_cast<std::size_t>(count)) {}

  /// Puts tokens behind some texts and compares the logits.
  void extend(const std::vector<std::pair<Index, Ids>>& more) {
    std::vector<Part> parts;
    for (const auto& [text, ids] : more) parts.push_back({text, ids});
    const ConstMatrixView logits = decoder_.extend(generation_, parts);
    ASSERT_EQ(logits.rows, static_cast<Index>(more.size()));
    for (std::size_t i = 0; i < more.size(); ++i) {
      Ids& ids = ids_[static_cast<std::size_t>(more[i].first)];
      ids.insert(ids.end(), more[i].second.begin(), more[i].second.end());
      EXPECT_EQ(generation_.texts.length(more[i].first), static_cast<Index>(ids.size()));
      EXPECT_LT(largest_difference(logits.row<float>(static_cast<Index>(i)), last_logits(decoder_, ids)),
                5e-6)
          << "text " << more[i].first << " of " << ids.size() << " tokens";
    }
  }
  void clear(Index text) {
    generation_.texts.clear(text);
    ids_[static_cast<std::size_t>(text)].clear();
  }
  void copy(Index from, Index to, Index shared) {
    generation_.texts.copy(from, to, shared);
    ids_[static_cast<std::size_t>(to)] = ids_[static_cast<std::size_t>(from)];
  }

 private:
  Decoder& decoder_;
  Decoder::Generation generation_;
  std::vector<Ids> ids_;
};

class TextCaches : public ::testing::TestWithParam<const char*> {};

TEST_P(TextCaches, TextsGrowApart) {
  GoldenCase golden(GetParam());
  Texts texts(golden.decoder(), 4);
  texts.extend({{1, {5, 9, 33}}});
  texts.extend({{0, {7}}, {1, {12}}, {3, {70, 3, 3, 81, 2, 40, 41}}});
  texts.extend({{0, {1, 2, 3, 4, 5, 6}}, {3, {8}}});
  texts.extend({{0, {9}}, {1, {10}}, {2, {11}}, {3, {12}}});
  texts.clear(3);
  texts.extend({{2, {13}}, {3, {20, 21}}});
  // Copies: of an empty text, of one with a common beginning, then each goes its way.
  texts.clear(1);
  texts.copy(0, 1, 0);
  texts.extend({{0, {30}}, {1, {31}}});
  texts.copy(0, 1, 8);
  texts.extend({{0, {32}}, {1, {33}}, {2, {34}}});
}

TEST_P(TextCaches, RoomIsMadeWithoutLoss) {
  GoldenCase golden(GetParam());
  if (!golden.decoder().config().names.position_embedding.empty())
    return;  // has 64 positions, room is for 128
  Texts texts(golden.decoder(), 3);
  texts.extend({{0, {5, 9}}, {2, {70, 3}}});
  texts.extend({{1, Ids(140, 17)}});
  texts.extend({{0, {1}}, {1, {2}}, {2, {3}}});
}

INSTANTIATE_TEST_SUITE_P(Models, TextCaches, ::testing::Values("llama", "gpt2", "mistral", "qwen3", "llama3"),
                         [](const auto& test) { return std::string(test.param); });

/// Up to four texts (the rows that ops/cpu multiplies one by one): not one bit depends on the others.
TEST(TextCache, FewTextsTogetherHaveTheBitsOfEachAlone) {
  for (const DType compute : {DType::kF32, DType::kBF16}) {
    GoldenCase golden("llama", compute);
    Decoder& decoder = golden.decoder();
    Adapter adapter = golden.adapter();
    adapter.attach(decoder);
    const std::vector<Ids> prompts = {{1, 5, 9, 33, 20, 21}, {70}, {3, 81, 28}, {2, 2}};
    auto together = decoder.start_generation(20, 4);
    for (Index text = 0; text < 4; ++text) {
      const Part part = {text, prompts[static_cast<std::size_t>(text)]};
      decoder.extend(together, std::span(&part, 1));
    }
    std::vector<Decoder::Generation> alone;
    for (const Ids& prompt : prompts) {
      alone.push_back(decoder.start_generation(20));
      decoder.extend(alone.back(), prompt);
    }
    for (std::int32_t step = 0; step < 5; ++step) {
      std::vector<Ids> next;
      for (std::int32_t text = 0; text < 4; ++text) next.push_back({7 * step + text});
      std::vector<Part> parts;
      for (std::size_t text = 0; text < 4; ++text) parts.push_back({static_cast<Index>(text), next[text]});
      const ConstMatrixView logits = decoder.extend(together, parts);
      for (std::size_t text = 0; text < 4; ++text) {
        const std::span<const float> want = decoder.extend(alone[text], next[text]);
        const float* got = logits.row<float>(static_cast<Index>(text));
        EXPECT_TRUE(std::equal(want.begin(), want.end(), got)) << "text " << text << ", step " << step;
      }
    }
  }
}

}  // namespace
}  // namespace lorry::model
