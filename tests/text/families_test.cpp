// Ids and texts against Hugging Face tokenizers, for a tokenizer with each family's settings.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "text/golden_support.hpp"
#include "text/stream_decoder.hpp"
#include "text/tokenizer.hpp"

namespace lorry::text {
namespace {

std::filesystem::path tokenizer_of(const std::string& family) {
  return family == "gpt2" ? shared_path("gpt2-tokenizer") : golden_path(family);
}

class Families : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(tokenizer_of(GetParam())))
      GTEST_SKIP() << tokenizer_of(GetParam()) << " is not here";
  }
};

std::string name_of(const testing::TestParamInfo<std::string>& family) {
  return family.param;
}

TEST_P(Families, ChosenTextsGiveTheSameIdsAndTexts) {
  const Tokenizer tokenizer = Tokenizer::load(tokenizer_of(GetParam()));
  const auto golden = read_golden(GetParam() + ".json");
  for (const auto& entry : golden["texts"]) {
    const auto text = entry["text"].get<std::string>();
    const auto ids = tokenizer.encode(text);
    EXPECT_EQ(ids, entry["ids"].get<std::vector<std::int32_t>>()) << text;
    EXPECT_EQ(tokenizer.decode(ids), entry["decoded"].get<std::string>());
  }
}

TEST_P(Families, GeneratedStringsGiveTheSameIds) {
  const Tokenizer tokenizer = Tokenizer::load(tokenizer_of(GetParam()));
  const auto golden = read_golden(GetParam() + ".json");
  TextGenerator generator(golden["specials"]);
  for (std::size_t i = 0; i < golden["generated"].size(); ++i) {
    const std::string text = generator.string(i);
    EXPECT_EQ(tokenizer.encode(text, i % 2 == 0), golden["generated"][i].get<std::vector<std::int32_t>>())
        << i << text;
  }
}

// 100,000 strings; a failure names the block of 1,000.
TEST_P(Families, HundredThousandStringsGiveTheSameIdsAndTexts) {
  const Tokenizer tokenizer = Tokenizer::load(tokenizer_of(GetParam()));
  const auto golden = read_golden(GetParam() + ".json");
  TextGenerator generator(golden["specials"]);
  const Index block_size = golden["block"];
  const Index blocks = replay_share(std::ssize(golden["blocks"]));
  ASSERT_GE(blocks * block_size, replay_share(100000));
  for (Index block = 0; block < blocks; ++block) {
    std::array<std::uint32_t, 3> sums{};  // ids; decoded with special tokens; decoded without
    for (Index i = block * block_size; i < (block + 1) * block_size; ++i) {
      auto ids = tokenizer.encode(generator.string(static_cast<std::uint64_t>(i)), i % 2 == 0);
      sums[1] = crc32(tokenizer.decode(ids, false) + "\xFF", sums[1]);
      sums[2] = crc32(tokenizer.decode(ids, true) + "\xFF", sums[2]);
      ids.push_back(-1);
      sums[0] = crc32_ids(ids, sums[0]);
    }
    const auto expected =
        golden["blocks"][static_cast<std::size_t>(block)].get<std::array<std::uint32_t, 3>>();
    EXPECT_EQ(sums, expected) << "strings " << block * block_size << " to " << (block + 1) * block_size - 1;
  }
}

TEST_P(Families, StreamedPiecesJoinToTheDecodedText) {
  const Tokenizer tokenizer = Tokenizer::load(tokenizer_of(GetParam()));
  TextGenerator generator(read_golden(GetParam() + ".json")["specials"]);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    auto ids = tokenizer.encode(generator.string(i));
    // Ids in an order no text gives: cut characters, bytes among words, ids without a token.
    if (i % 2 == 1) std::reverse(ids.begin(), ids.end());
    ids.push_back(static_cast<std::int32_t>(tokenizer.vocab_size()));
    const bool skip = i % 4 < 2;
    StreamDecoder stream(tokenizer, skip);
    std::string text;
    for (const std::int32_t id : ids) text += stream.push(id);
    text += stream.finish();
    ASSERT_EQ(text, tokenizer.decode(ids, skip)) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Families,
                         testing::Values("gpt2", "llama2", "mistral", "llama3", "qwen2", "qwen3"), name_of);

}  // namespace
}  // namespace lorry::text
