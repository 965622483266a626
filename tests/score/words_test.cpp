// Words and stems against sacrebleu, NLTK and the rules as Python has them.
#include <gtest/gtest.h>

#include "score/caption_words.hpp"
#include "score/characters.hpp"
#include "score/golden.hpp"
#include "score/porter_stemmer.hpp"

namespace lorry::score {
namespace {

TEST(Words, OfMtevalAreThoseOfSacrebleu) {
  const io::Json golden = read_golden().at("tokens_13a");
  ASSERT_GE(golden.size(), 25U);
  for (const auto& [text, words] : golden.items()) EXPECT_EQ(tokenize_13a(text), words.get<Words>()) << text;
}

TEST(Words, OfMtevalAtTheEdges) {
  EXPECT_EQ(tokenize_13a(""), Words());
  EXPECT_EQ(tokenize_13a(".."), (Words{".", "."}));
  EXPECT_EQ(tokenize_13a("a,b 1,2 3-4 c-d e.5 5.e"),
            (Words{"a", ",", "b", "1,2", "3", "-", "4", "c-d", "e", ".", "5", "5", ".", "e"}));
  EXPECT_EQ(tokenize_13a("<skipped>x"), Words{"x"});
}

TEST(Words, OfCaptionsFollowTheirRules) {
  const io::Json golden = read_golden().at("caption_words");
  ASSERT_GE(golden.size(), 25U);
  for (const auto& [text, words] : golden.items()) EXPECT_EQ(caption_words(text), words.get<Words>()) << text;
}

TEST(Words, IllFormedBytesAreWords) {
  EXPECT_EQ(tokenize_13a("a \xFF"), (Words{"a", "\xEF\xBF\xBD"}));
  EXPECT_EQ(caption_words("a \xFF"), (Words{"a", "\xEF\xBF\xBD"}));
}

TEST(Words, LowerCaseOfAnyScript) {
  EXPECT_EQ(lowercase("CAFÉ ΣΔ Я"), "café σδ я");
}

TEST(PorterStemmer, GivesNltksStems) {
  const io::Json golden = read_golden().at("stems");
  ASSERT_GE(golden.size(), 100U);
  for (const auto& [word, stem] : golden.items()) EXPECT_EQ(porter_stem(word), stem) << word;
}

}  // namespace
}  // namespace lorry::score
