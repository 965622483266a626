// Where the prompt's text ends and the continuation's begins.
#include "generate/text_stream.hpp"

#include <gtest/gtest.h>

#include "text/golden_support.hpp"

namespace lorry::generate {
namespace {

using Tokens = std::vector<std::string>;

/// The continuation as it is shown.
std::string continuation(const text::Tokenizer& tokenizer, const Tokens& prompt, const Tokens& more) {
  std::vector<std::int32_t> ids;
  for (const std::string& token : prompt) ids.push_back(tokenizer.id(token).value());
  TextStream stream(tokenizer, ids, {});
  std::string text;
  for (const std::string& token : more) text += stream.push(tokenizer.id(token).value());
  return text + stream.finish();
}

TEST(TextStream, AByteTokenAtThePromptsEndIsThePrompts) {
  const text::Tokenizer tokenizer = text::Tokenizer::load(text::golden_path("llama2"));
  EXPECT_EQ(continuation(tokenizer, {"<s>", "▁", "a", "<0x0A>"}, {"a", "<0x0A>", "a"}), "a\na");
  EXPECT_EQ(continuation(tokenizer, {"a", "<0x0A>"}, {"<0x0A>", "a"}), "\na");
  EXPECT_EQ(continuation(tokenizer, {"a", "<0x0A>"}, {}), "");
  EXPECT_EQ(continuation(tokenizer, {"a"}, {"<0x0A>", "a"}), "\na");
}

TEST(TextStream, ACharacterThatTheContinuationCompletesIsItsOwn) {
  EXPECT_EQ(
      continuation(text::Tokenizer::load(text::golden_path("llama2")), {"a", "<0xC3>"}, {"<0xA9>", "a"}),
      "éa");
  EXPECT_EQ(continuation(text::Tokenizer::load(text::golden_path("llama3")), {"a", "Ã"}, {"©", "b"}), "éb");
  EXPECT_EQ(continuation(text::Tokenizer::load(text::golden_path("llama3")), {"a", "Ã"}, {"b"}), "b");
}

}  // namespace
}  // namespace lorry::generate
