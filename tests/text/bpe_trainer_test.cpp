#include "text/bpe_trainer.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "core/error.hpp"
#include "text/golden_support.hpp"
#include "text/pair_merger.hpp"
#include "text/tokenizer.hpp"

namespace lorry::text {
namespace {

std::vector<std::string> generated(std::uint64_t count) {
  TextGenerator generator({"<s>"});
  std::vector<std::string> texts;
  for (std::uint64_t i = 0; i < count; ++i) texts.push_back(generator.string(i));
  return texts;
}

BpeTrainer::Config config(WordPattern pattern) {
  return {.vocab_size = 1000,
          .special_tokens = {"<s>", "</s>"},
          .bos_token = "<s>",
          .eos_token = "</s>",
          .pattern = pattern};
}

// The textbook's way: count all pairs anew for every merge.
std::vector<std::pair<int, int>> naive_merges(std::vector<std::pair<std::vector<int>, int>> words,
                                              int count) {
  std::vector<std::pair<int, int>> merges;
  for (int symbol = 256; symbol < 256 + count; ++symbol) {
    std::map<std::pair<int, int>, int> counts;
    for (const auto& [word, times] : words) {
      for (std::size_t i = 0; i + 1 < word.size(); ++i) counts[{word[i], word[i + 1]}] += times;
    }
    std::pair<std::pair<int, int>, int> best{{0, 0}, 0};
    for (const auto& entry : counts) {
      if (entry.second > best.second) best = entry;
    }
    merges.push_back(best.first);
    for (auto& [word, times] : words) {
      std::vector<int> merged;
      for (std::size_t i = 0; i < word.size(); ++i) {
        const bool here = i + 1 < word.size() && std::pair(word[i], word[i + 1]) == best.first;
        merged.push_back(here ? symbol : word[i]);
        i += here ? 1 : 0;
      }
      word = merged;
    }
  }
  return merges;
}

TEST(PairMerger, MergesAsCountingAnewDoes) {
  const std::vector<std::string> words = {"aaaaa", "abab",    "banana", "bandana",
                                          "aaab",  "cabbage", "aa",     "ababab"};
  PairMerger merger;
  std::vector<std::pair<std::vector<int>, int>> plain;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::vector<int> symbols(words[i].begin(), words[i].end());
    merger.add_word({symbols.begin(), symbols.end()}, static_cast<std::int64_t>(3 + i % 4));
    plain.emplace_back(symbols, 3 + static_cast<int>(i % 4));
  }
  merger.count_pairs();
  for (int symbol = 256; const auto& [left, right] : naive_merges(plain, 12)) {
    const auto pair = merger.pop_best(1);
    ASSERT_TRUE(pair);
    EXPECT_EQ(std::pair(pair->left, pair->right), std::pair(left, right)) << symbol;
    merger.merge(*pair, symbol++);
  }
}

void save(const BpeTrainer& trainer, const std::filesystem::path& folder) {
  std::ofstream(folder / "tokenizer.json", std::ios::binary) << trainer.tokenizer_json();
  std::ofstream(folder / "tokenizer_config.json", std::ios::binary) << trainer.tokenizer_config_json();
}

class BpeTrainers : public testing::TestWithParam<WordPattern> {};

TEST_P(BpeTrainers, MakesATokenizerThatGivesEveryTextBack) {
  BpeTrainer trainer(config(GetParam()));
  const auto texts = generated(2000);
  for (const std::string& text : texts) trainer.add(text);
  const std::filesystem::path folder = scratch_folder();
  save(trainer, folder);
  const Tokenizer tokenizer = Tokenizer::load(folder);
  EXPECT_EQ(tokenizer.vocab_size(), 1000);
  EXPECT_EQ(tokenizer.bos_id(), 0);
  EXPECT_EQ(tokenizer.eos_id(), 1);
  Index bytes = 0;
  Index tokens = 0;
  for (const char* text : {"Hello, world!", "  naïve 😀\n\n", "", "x</s>y"}) {
    const auto ids = tokenizer.encode(text);
    EXPECT_EQ(ids.front(), 0);
    EXPECT_EQ(tokenizer.decode(std::span(ids).subspan(1), false), text);
  }
  for (const std::string& text : texts) {
    bytes += std::ssize(text);
    tokens += std::ssize(tokenizer.encode(text, false));
  }
  EXPECT_LT(static_cast<double>(tokens), 0.6 * static_cast<double>(bytes));  // it did learn
}

TEST_P(BpeTrainers, OrderOfTextsDoesNotMatter) {
  auto texts = generated(500);
  BpeTrainer forward(config(GetParam()));
  for (const std::string& text : texts) forward.add(text);
  BpeTrainer backward(config(GetParam()));
  for (auto text = texts.rbegin(); text != texts.rend(); ++text) backward.add(*text);
  EXPECT_EQ(forward.tokenizer_json(), backward.tokenizer_json());
}

// The file is the one that Hugging Face tokenizers read when scripts/golden/trained_tokenizers.py made the
// golden sums, and we read it as they did. If the trainer changes, run that script on the folder that this
// test writes.
TEST_P(BpeTrainers, MakesAFileThatHuggingFaceReadsAlike) {
  const std::string name = GetParam() == WordPattern::kGpt2 ? "gpt2" : "llama3";
  const auto golden = read_golden("trained.json")[name];
  BpeTrainer trainer(config(GetParam()));
  for (const std::string& text : generated(2000)) trainer.add(text);
  const std::filesystem::path folder = scratch_folder() / name;
  std::filesystem::create_directories(folder);
  save(trainer, folder);
  EXPECT_EQ(crc32(read_text(folder / "tokenizer.json")), golden["file"].get<std::uint32_t>()) << folder;
  const Tokenizer tokenizer = Tokenizer::load(folder);
  TextGenerator generator({"<s>", "</s>"});
  std::uint32_t sum = 0;
  for (std::uint64_t i = 0; i < golden["strings"].get<std::uint64_t>(); ++i) {
    auto ids = tokenizer.encode(generator.string(i));
    ids.push_back(-1);
    sum = crc32_ids(ids, sum);
  }
  EXPECT_EQ(sum, golden["ids"].get<std::uint32_t>());
}

INSTANTIATE_TEST_SUITE_P(Patterns, BpeTrainers, testing::Values(WordPattern::kGpt2, WordPattern::kLlama3));

TEST(BpeTrainer, KeepsSpecialTokensOutOfTheMerges) {
  BpeTrainer::Config settings{.vocab_size = 300, .special_tokens = {"abab"}, .pattern = WordPattern::kGpt2};
  BpeTrainer trainer(settings);
  for (int i = 0; i < 10; ++i) trainer.add("ababab");
  const auto document = nlohmann::json::parse(trainer.tokenizer_json());
  EXPECT_EQ(document["model"]["vocab"]["abab"], 0);
  for (const std::string merge : document["model"]["merges"]) EXPECT_NE(merge, "ab ab");
}

TEST(BpeTrainer, RefusesWhatCannotBeMet) {
  EXPECT_THROW(BpeTrainer({.vocab_size = 255}), Error);
  EXPECT_THROW(BpeTrainer({.special_tokens = {"<s>", "<s>"}}), Error);
  EXPECT_THROW(BpeTrainer({.special_tokens = {"a"}}), Error);
  EXPECT_THROW(BpeTrainer({.bos_token = "<s>"}), Error);
}

}  // namespace
}  // namespace lorry::text
