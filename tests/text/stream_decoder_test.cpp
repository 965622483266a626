// That the pieces join to the whole is tested for all families and steps; here, what is given when.
#include "text/stream_decoder.hpp"

#include <gtest/gtest.h>

#include "text/golden_support.hpp"

namespace lorry::text {
namespace {

std::vector<std::string> stream(const Tokenizer& tokenizer, const std::vector<std::string>& tokens) {
  StreamDecoder decoder(tokenizer);
  std::vector<std::string> out;
  for (const std::string& token : tokens) out.push_back(decoder.push(tokenizer.id(token).value()));
  out.push_back(decoder.finish());
  return out;
}

using Pieces = std::vector<std::string>;

TEST(StreamDecoder, ByteLevelHoldsBackOnlyUnfinishedCharacters) {
  const Tokenizer tokenizer = Tokenizer::load(golden_path("llama3"));
  EXPECT_EQ(stream(tokenizer, {"<|begin_of_text|>", "a", "Ġ", "Ã", "©", "b"}),
            (Pieces{"", "a", " ", "", "é", "b", ""}));
  EXPECT_EQ(stream(tokenizer, {"Ã", "a", "Ã"}), (Pieces{"", "\uFFFDa", "", "\uFFFD"}));
}

TEST(StreamDecoder, ByteFallbackHoldsBackTheRun) {
  const Tokenizer tokenizer = Tokenizer::load(golden_path("llama2"));
  EXPECT_EQ(stream(tokenizer, {"<s>", "▁", "a", "<0xC3>", "<0xA9>", "a"}),
            (Pieces{"", "", "a", "", "", "éa", ""}));
  // A byte that does not fit spoils the run: held back so that nothing wrong was given.
  EXPECT_EQ(stream(tokenizer, {"a", "<0xC3>", "<0xA9>", "<0xC3>"}),
            (Pieces{"a", "", "", "", "\uFFFD\uFFFD\uFFFD"}));
}

TEST(StreamDecoder, OnlyTheFirstSpaceIsStripped) {
  const Tokenizer tokenizer = Tokenizer::load(golden_path("llama2"));
  EXPECT_EQ(stream(tokenizer, {"▁", "▁", "a", "▁"}), (Pieces{"", " ", "a", " ", ""}));
}

TEST(StreamDecoder, IsAsNewBehindFinish) {
  const Tokenizer tokenizer = Tokenizer::load(golden_path("llama2"));
  StreamDecoder decoder(tokenizer);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(decoder.push(*tokenizer.id("▁")), "");
    EXPECT_EQ(decoder.push(*tokenizer.id("<0xC3>")), "");
    EXPECT_EQ(decoder.finish(), "\uFFFD");
  }
}

}  // namespace
}  // namespace lorry::text
