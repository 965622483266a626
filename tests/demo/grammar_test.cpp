#include "grammar.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "core/error.hpp"
#include "names.hpp"

namespace lorry::demo {
namespace {

std::string expand(const std::string& grammar_text, std::uint64_t seed = 1) {
  Grammar grammar;
  grammar.add(grammar_text, "test.grammar");
  Rng rng(seed);
  return Expansion(grammar, rng).document("start");
}

TEST(Grammar, BindsRowsAndRepeatsThem) {
  EXPECT_EQ(expand("=beast: name | says\ncow | moos\n:start\n{new a beast}the {a} {a.says}. a* {a}, a* owl."),
            "The cow moos. A cow, an owl.");
}

TEST(Grammar, DrawsOfOneTableDiffer) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const std::string text = expand("=c: name\nred\nblue\n:start\n{new a c}{new b c}{a}{b}", seed);
    EXPECT_TRUE(text == "Redblue" || text == "Bluered") << text;
  }
}

TEST(Grammar, SentencesStartWithCapitalsAndSpeechGoesOn) {
  EXPECT_EQ(expand(":start\n\"is it?\" said {x}. \"yes.\" then  rain fell.\\nnew line\n:x\nshe"),
            "\"Is it?\" said she. \"Yes.\" Then rain fell.\nNew line");
}

TEST(Grammar, UnknownSymbolAndBadRowsAreErrors) {
  EXPECT_THROW(expand(":start\n{nobody}"), Error);
  EXPECT_THROW(expand(":start\n[a|b"), Error);
  EXPECT_THROW(expand("=t: a | b\nonly one\n:start\nx"), Error);
  EXPECT_THROW(expand(":start\n{start}"), Error);
}

TEST(Corpus, DocumentsAreCleanDeterministicAndFarFromTheTask) {
  const Grammar grammar = Grammar::load(std::string(LORRY_SOURCE_DIR) + "/demo/grammar");
  std::set<std::string> documents;
  for (std::uint64_t k = 0; k < 5000; ++k) {
    Rng rng(3, k);
    Rng again(3, k);
    const std::string text = Expansion(grammar, rng).document("document");
    ASSERT_EQ(text, Expansion(grammar, again).document("document"));
    ASSERT_EQ(text.find_first_of("{}[]*|~"), std::string::npos) << text;
    ASSERT_EQ(text.find(" ."), std::string::npos) << text;
    for (const char* word : {" ketch", " yawl", " schooner", " skipper", " berth", " hull"}) {
      ASSERT_EQ(text.find(word), std::string::npos) << text;
    }
    documents.insert(text);
  }
  EXPECT_GT(documents.size(), 4900U);
}

TEST(Names, ComeFromAnOpenPool) {
  Rng rng(1);
  std::set<std::string> people;
  std::set<std::string> towns;
  for (int k = 0; k < 20000; ++k) {
    people.insert(make_person(rng).at("full"));
    towns.insert(make_town(rng));
  }
  EXPECT_GT(people.size(), 19000U);
  EXPECT_GT(towns.size(), 10000U);
}

}  // namespace
}  // namespace lorry::demo
