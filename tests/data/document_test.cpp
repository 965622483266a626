#include "data/dataset.hpp"

#include <gtest/gtest.h>

#include <string>

#include "core/error.hpp"

namespace lorry::data {
namespace {

using Ids = std::vector<std::int32_t>;

constexpr std::int32_t kBos = 256;
constexpr std::int32_t kEos = 257;
constexpr std::int32_t kMerged = 258;  // "ab" as one token
constexpr std::int32_t kSpace = 259;   // the space that sentencepiece puts before a text

struct FakeOptions {
  bool adds_eos = false;
  bool adds_space = false;
  bool merges = false;
};

/// One token per byte, BOS before, and the habits of real tokenizers that matter here.
Encoder fake_encoder(FakeOptions options) {
  return {[options](std::string_view text, bool special_tokens) {
            Ids ids;
            if (special_tokens) ids.push_back(kBos);
            if (options.adds_space && !text.empty()) ids.push_back(kSpace);
            for (std::size_t i = 0; i < text.size(); ++i) {
              const bool merged = options.merges && text.substr(i, 2) == "ab";
              ids.push_back(merged ? kMerged : text[i]);
              if (merged) ++i;
            }
            if (special_tokens && options.adds_eos) ids.push_back(kEos);
            return ids;
          },
          kEos};
}

Record text(std::string value) {
  return {.kind = RecordKind::kText, .text = std::move(value)};
}
Record completion(std::string prompt, std::string value) {
  return {.kind = RecordKind::kCompletion, .prompt = std::move(prompt), .text = std::move(value)};
}

TEST(EncodeRecord, TextEndsWithOneEosWhoeverAddsIt) {
  for (const bool adds_eos : {false, true}) {
    const Document document = encode_record(fake_encoder({.adds_eos = adds_eos}), text("xy"));
    EXPECT_EQ(document.ids, (Ids{kBos, 'x', 'y', kEos}));
    EXPECT_EQ(document.targets_from, 1);
    EXPECT_EQ(document.target_count(), 3);
  }
}

TEST(EncodeRecord, TokensThatATextSpellsOutAreNotDoubled) {
  for (const bool adds_eos : {false, true}) {
    Encoder encoder = fake_encoder({.adds_eos = adds_eos});
    encoder.encode = [encode = encoder.encode](std::string_view text, bool special_tokens) {
      Ids ids = encode(text, special_tokens);
      for (std::int32_t& id : ids) {  // as an added token is found in a text
        if (id == '^') id = kBos;
        if (id == '$') id = kEos;
      }
      return ids;
    };
    EXPECT_EQ(encode_record(encoder, text("^xy$")).ids, (Ids{kBos, 'x', 'y', kEos}));
    EXPECT_EQ(encode_record(encoder, completion("^p", "x$")).ids, (Ids{kBos, 'p', 'x', kEos}));
    EXPECT_EQ(encode_record(encoder, completion("^p", "x$")).target_count(), 2);
    EXPECT_EQ(encode_prompt(encoder, "^p$"), (Ids{kBos, 'p', kEos}));
    EXPECT_EQ(encode_prompt(encoder, "^^p"), (Ids{kBos, kBos, 'p'}));  // the text's own second one
    EXPECT_EQ(encode_prompt(encoder, ""), (Ids{kBos}));
  }
}

TEST(EncodeRecord, ModelWithoutEosGetsNone) {
  Encoder encoder = fake_encoder({});
  encoder.eos_id.reset();
  EXPECT_EQ(encode_record(encoder, text("x")).ids, (Ids{kBos, 'x'}));
}

TEST(EncodeRecord, LearnsCompletionAndEosOnly) {
  for (const bool adds_eos : {false, true}) {
    const Document document = encode_record(fake_encoder({.adds_eos = adds_eos}), completion("pq", "xy"));
    EXPECT_EQ(document.ids, (Ids{kBos, 'p', 'q', 'x', 'y', kEos}));
    EXPECT_EQ(document.targets_from, 3);
    EXPECT_EQ(document.target_count(), 3);
  }
}

TEST(EncodeRecord, PromptAndCompletionDoNotMerge) {
  const Encoder encoder = fake_encoder({.merges = true});
  const Document document = encode_record(encoder, completion("pa", "bab"));
  EXPECT_EQ(document.ids, (Ids{kBos, 'p', 'a', 'b', kMerged, kEos}));
  EXPECT_EQ(document.targets_from, 3);
}

TEST(EncodeRecord, CompletionGetsNoSecondSentencepieceSpace) {
  const Encoder encoder = fake_encoder({.adds_space = true});
  EXPECT_EQ(encode_record(encoder, completion("p", "x")).ids, (Ids{kBos, kSpace, 'p', 'x', kEos}));
}

TEST(EncodeRecord, BeginsWithThePromptThatGenerationUses) {
  for (const FakeOptions options : {FakeOptions{}, FakeOptions{.adds_eos = true},
                                    FakeOptions{.adds_space = true}, FakeOptions{.merges = true}}) {
    const Encoder encoder = fake_encoder(options);
    const Ids prompt = encode_prompt(encoder, "a");
    const Ids ids = encode_record(encoder, completion("a", "b")).ids;
    EXPECT_EQ(Ids(ids.begin(), ids.begin() + static_cast<Index>(prompt.size())), prompt);
    EXPECT_NE(prompt.back(), kEos);
  }
}

TEST(EncodeRecord, EmptyPromptLearnsTheWholeCompletion) {
  EXPECT_EQ(encode_record(fake_encoder({}), completion("", "xy")).target_count(), 3);
  Encoder encoder = fake_encoder({});
  encoder.encode = [](std::string_view, bool) { return Ids{}; };
  EXPECT_EQ(encode_record(encoder, completion("", "xy")).targets_from, 1);
}

TEST(BuildDataset, CutsLongTextIntoWindowsWithoutOverlap) {
  const Dataset dataset = build_dataset({text("abcdefg"), text("x")}, fake_encoder({}), 4, "d");
  ASSERT_EQ(dataset.documents.size(), 3U);  // 9 tokens: 4 + 4 + 1, the last has no target
  EXPECT_EQ(dataset.documents[0].ids, (Ids{kBos, 'a', 'b', 'c'}));
  EXPECT_EQ(dataset.documents[1].ids, (Ids{'d', 'e', 'f', 'g'}));
  EXPECT_EQ(dataset.documents[1].targets_from, 1);
  EXPECT_EQ(dataset.documents[2].ids, (Ids{kBos, 'x', kEos}));
  using Item = std::pair<std::string_view, Index>;
  EXPECT_EQ(
      dataset.statistics.list(),
      (std::vector<Item>{
          {"records", 2}, {"documents", 3}, {"tokens", 11}, {"targets", 8}, {"cut", 1}, {"dropped", 1}}));
}

TEST(BuildDataset, KeepsAPartialLastWindowOfTwoTokens) {
  const Dataset dataset = build_dataset({text("abcd")}, fake_encoder({}), 4, "d");
  ASSERT_EQ(dataset.documents.size(), 2U);
  EXPECT_EQ(dataset.documents[1].ids, (Ids{'d', kEos}));
  EXPECT_EQ(dataset.documents[1].target_count(), 1);
  EXPECT_EQ(build_dataset({text("ab")}, fake_encoder({}), 4, "d").statistics.cut, 0);  // exactly full
}

TEST(BuildDataset, DropsWindowsInsideThePrompt) {
  // BOS p q r | s x y z | EOS: the first window learns nothing, the second x y z, the last nothing.
  const Dataset dataset = build_dataset({completion("pqrs", "xyz")}, fake_encoder({}), 4, "d");
  ASSERT_EQ(dataset.documents.size(), 1U);
  EXPECT_EQ(dataset.documents[0].ids, (Ids{'s', 'x', 'y', 'z'}));
  EXPECT_EQ(dataset.documents[0].targets_from, 1);
  EXPECT_EQ(dataset.documents[0].target_count(), 3);
  EXPECT_EQ(dataset.statistics.dropped, 2);
}

TEST(BuildDataset, DropsEmptyTextsAndRefusesWhenNothingIsLeft) {
  EXPECT_EQ(build_dataset({text(""), text("x")}, fake_encoder({}), 8, "d").statistics.dropped, 1);
  try {
    build_dataset({text("")}, fake_encoder({}), 8, "d.jsonl");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "[data] d.jsonl: empty data: none of 1 records has a token to learn within 8 tokens; "
                 "expected at least one");
  }
  EXPECT_THROW(build_dataset({text("x")}, fake_encoder({}), 1, "d"), Error);
}

}  // namespace
}  // namespace lorry::data
