#include "text/tokenizer.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "text/golden_support.hpp"

namespace lorry::text {
namespace {

class SharedTokenizers : public testing::TestWithParam<const char*> {};

TEST_P(SharedTokenizers, ShakespeareGivesTheSameIdsAndComesBack) {
  if (!std::filesystem::exists(shared_path(GetParam())))
    GTEST_SKIP() << shared_path(GetParam()) << " is not here";
  const Tokenizer tokenizer = Tokenizer::load(shared_path(GetParam()));
  const std::string text = read_text(shared_path("text/tinyshakespeare.txt"));
  const auto ids = tokenizer.encode(text);
  const auto golden = read_golden("shakespeare.json")[GetParam()];
  EXPECT_EQ(std::ssize(ids), golden["count"].get<Index>());
  EXPECT_EQ(crc32_ids(ids), golden["crc"].get<std::uint32_t>());
  EXPECT_EQ(tokenizer.decode(ids), text);
}

INSTANTIATE_TEST_SUITE_P(Shared, SharedTokenizers, testing::Values("stories260k", "gpt2-tokenizer"));

TEST(Tokenizer, KnowsItsSpecialTokens) {
  if (!std::filesystem::exists(shared_path("stories260k"))) GTEST_SKIP() << "../shared/data is not here";
  const Tokenizer tokenizer = Tokenizer::load(shared_path("stories260k"));
  EXPECT_EQ(tokenizer.vocab_size(), 512);
  EXPECT_EQ(tokenizer.bos_id(), 1);
  EXPECT_EQ(tokenizer.eos_id(), 2);
  EXPECT_EQ(tokenizer.add_bos_token(), true);
  EXPECT_EQ(tokenizer.token(1), "<s>");
  EXPECT_EQ(tokenizer.id("</s>"), 2);
  EXPECT_EQ(tokenizer.id("no such token"), std::nullopt);
  EXPECT_EQ(tokenizer.token(512), std::nullopt);
  EXPECT_EQ(tokenizer.token(-1), std::nullopt);
  EXPECT_TRUE(tokenizer.is_special(2));
  EXPECT_FALSE(tokenizer.is_special(3));
  EXPECT_FALSE(tokenizer.is_special(-7));
  EXPECT_EQ(tokenizer.encode(""), (std::vector<std::int32_t>{1}));
  EXPECT_TRUE(tokenizer.encode("", false).empty());
}

TEST(Tokenizer, ReadsTheConfigBesideIt) {
  const std::filesystem::path folder = scratch_folder();
  std::filesystem::copy(golden_path("llama3/tokenizer.json"), folder);
  std::ofstream(folder / "tokenizer_config.json")
      << R"({"bos_token": {"content": "<|begin_of_text|>"}, "eos_token": "<|eot_id|>", "add_bos_token": null,
             "chat_template": [{"name": "tools", "template": "t"}, {"name": "default", "template": "d"}]})";
  const Tokenizer tokenizer = Tokenizer::load(folder);
  EXPECT_EQ(tokenizer.bos_id(), tokenizer.id("<|begin_of_text|>"));
  EXPECT_EQ(tokenizer.eos_id(), tokenizer.id("<|eot_id|>"));
  EXPECT_EQ(tokenizer.add_bos_token(), std::nullopt);
  EXPECT_EQ(tokenizer.chat_template(), "d");
  std::ofstream(folder / "chat_template.jinja") << "{{ jinja }}";
  EXPECT_EQ(Tokenizer::load(folder / "tokenizer.json").chat_template(), "{{ jinja }}");
}

TEST(Tokenizer, LongWordsAreNotQuadratic) {
  const Tokenizer tokenizer = Tokenizer::load(golden_path("llama2"));
  const std::string text(replay_share(2000000), 'a');  // one word: quadratic work would take hours
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
}

TEST(Tokenizer, ThreadsGetWhatOneThreadGets) {
  const Tokenizer tokenizer = Tokenizer::load(golden_path("qwen2"));
  std::vector<std::string> texts;
  TextGenerator generator({"<|im_end|>"});
  for (std::uint64_t i = 0; i < 500; ++i) texts.push_back(generator.string(i));
  const auto encode_all = [&](std::vector<std::vector<std::int32_t>>& out) {
    for (const std::string& text : texts) out.push_back(tokenizer.encode(text));
  };
  std::vector<std::vector<std::int32_t>> first, second;
  std::thread other([&] { encode_all(first); });
  encode_all(second);
  other.join();
  EXPECT_EQ(first, second);
}

}  // namespace
}  // namespace lorry::text
