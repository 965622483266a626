#include "scoring.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/error.hpp"

namespace lorry::demo {
namespace {

struct Example {
  Record record;
  std::string text;
};

std::vector<Example> read_examples(const std::string& name) {
  const std::string path = std::string(LORRY_SOURCE_DIR) + "/demo/data/" + name + ".jsonl";
  std::ifstream in(path);
  std::vector<Example> examples;
  for (std::string line; std::getline(in, line);) {
    const nlohmann::json object = nlohmann::json::parse(line);
    examples.push_back({parse_prompt(object["prompt"].get<std::string>(), path), object["completion"]});
  }
  return examples;
}

const Record& wren() {
  static const Record kRecord = {
      {"boat", "Silver Wren"},     {"kind", "ketch"}, {"hull", "red"},   {"harbour", "Brevik Quay"},
      {"skipper", "Orla Penwick"}, {"berths", "6"},   {"built", "1987"}, {"engine", "no"}};
  return kRecord;
}

constexpr const char* kWrenText =
    "Built in 1987, the Silver Wren is a red ketch with six berths. She is moored at Brevik Quay and has no "
    "engine. "
    "Her skipper is Orla Penwick.";

/// The text with one passage replaced; the passage must be there.
std::string with(const std::string& old_part, const std::string& new_part) {
  std::string text = kWrenText;
  const auto at = text.find(old_part);
  EXPECT_NE(at, std::string::npos) << old_part;
  return text.replace(at, old_part.size(), new_part);
}

using Strings = std::vector<std::string>;

TEST(Scoring, GoldTextsOfAllFilesAreFullyRight) {
  for (const char* name : {"train", "valid", "test"}) {
    const std::vector<Example> examples = read_examples(name);
    ASSERT_GE(examples.size(), 200U);
    for (const Example& example : examples) {
      const Verdict verdict = judge(example.record, example.text);
      ASSERT_TRUE(verdict.right()) << format_prompt(example.record) << example.text;
    }
  }
}

TEST(Scoring, FullTextIsRightInDigitsToo) {
  EXPECT_TRUE(judge(wren(), kWrenText).right());
  EXPECT_TRUE(judge(wren(), with("six berths", "6 berths")).right());
}

TEST(Scoring, MissingSlotIsNamed) {
  EXPECT_EQ(judge(wren(), with(" red ketch", " ketch")).missing, Strings{"hull"});
  EXPECT_EQ(judge(wren(), with(" red ketch", " red boat")).missing, Strings{"kind"});
  EXPECT_EQ(judge(wren(), with(" with six berths", "")).missing, Strings{"berths"});
  EXPECT_EQ(judge(wren(), with("Built in 1987, the", "The")).missing, Strings{"built"});
  EXPECT_EQ(judge(wren(), with(" and has no engine", "")).missing, Strings{"engine"});
  EXPECT_EQ(judge(wren(), with(" Her skipper is Orla Penwick.", "")).missing, Strings{"skipper"});
  EXPECT_EQ(judge(wren(), with("is moored at Brevik Quay and ", "")).missing, Strings{"harbour"});
}

TEST(Scoring, WrongValueIsMissingAndInvented) {
  for (const auto& [from, to, slot] :
       std::vector<std::array<std::string, 3>>{{"red", "blue", "hull"},
                                               {"ketch", "sloop", "kind"},
                                               {"six", "seven", "berths"},
                                               {"1987", "1986", "built"},
                                               {"no engine", "an engine", "engine"},
                                               {"Wren", "Wrens", "boat"},
                                               {"Penwick", "Penwich", "skipper"},
                                               {"Brevik", "Brevick", "harbour"}}) {
    const Verdict verdict = judge(wren(), with(from, to));
    EXPECT_EQ(verdict.missing, Strings{slot}) << to;
    EXPECT_FALSE(verdict.invented.empty()) << to;
  }
}

TEST(Scoring, SwappedNamesFail) {
  std::string text = with("Brevik Quay", "Orla Penwick");
  text.replace(text.rfind("Orla Penwick"), 12, "Brevik Quay");
  const Verdict verdict = judge(wren(), text);
  EXPECT_EQ(verdict.missing, (Strings{"harbour", "skipper"}));
  EXPECT_EQ(verdict.invented.size(), 2U);
  EXPECT_FALSE(judge(wren(), with("the Silver Wren is", "the Orla Penwick is")).right());
}

TEST(Scoring, SwappedNumbersFail) {
  std::string text = with("six berths", "1987 berths");
  text.replace(text.find("1987"), 4, "6");
  EXPECT_EQ(judge(wren(), text).missing, (Strings{"berths", "built"}));
}

TEST(Scoring, WhatTheRecordDoesNotGiveIsInvented) {
  const Record small = {{"boat", "Tamsin"}, {"kind", "yawl"}, {"engine", "yes"}};
  EXPECT_TRUE(judge(small, "The Tamsin is a yawl with an engine.").right());
  for (const char* text :
       {"The Tamsin is a red yawl with an engine.", "The Tamsin is a yawl with an engine and sleeps four.",
        "The Tamsin is a yawl with an engine. She was built in 1990.",
        "The Tamsin is a yawl with an engine. Her skipper is Ned.",
        "The Tamsin is a yawl with an engine from Brevik.",
        "The Tamsin is a yawl with an engine. She has berths.",
        "The Tamsin is a yawl and a ketch with an engine.", "The Tamsin is a yawl with an engine and a dog.",
        "Brevik, the Tamsin is a yawl with an engine.",
        "The Tamsin is a yawl with an engine. She has no engine."}) {
    const Verdict verdict = judge(small, text);
    EXPECT_FALSE(verdict.invented.empty()) << text;
    EXPECT_TRUE(verdict.missing.empty()) << text;
  }
}

TEST(Scoring, OnlyAnEngineCanBeDenied) {
  EXPECT_FALSE(judge(wren(), with("is a red ketch", "is not a red ketch")).right());
  EXPECT_FALSE(judge(wren(), with("Her skipper is", "Her skipper is not")).right());
  EXPECT_FALSE(judge(wren(), with("has no engine.", "has no engine. She has a motor.")).right());
  EXPECT_TRUE(judge(wren(), with("has no engine", "does not have an engine")).right());
  EXPECT_TRUE(judge(wren(), with("has no engine", "sails without an engine")).right());
}

TEST(Scoring, CopyOfTheRecordAndCutTextFail) {
  const Record small = {{"boat", "Tamsin"}, {"kind", "yawl"}, {"hull", "red"}};
  EXPECT_FALSE(judge(small, format_prompt(small)).right());
  EXPECT_FALSE(judge(small, "boat Tamsin kind yawl hull red.").right());
  EXPECT_EQ(judge(small, "The Tamsin is a red yawl").missing, Strings{"full stop"});
  EXPECT_FALSE(judge(small, "").right());
}

TEST(Scoring, TextOfAnotherRecordIsAlmostNeverRight) {
  const std::vector<Example> examples = read_examples("test");
  Index right = 0;
  for (std::size_t k = 0; k + 1 < examples.size(); ++k) {
    right += judge(examples[k].record, examples[k + 1].text).right() ? 1 : 0;
  }
  EXPECT_EQ(right, 0);
}

TEST(Task, HeldOutRecordsAreNewAndAFifthHasOnlyUnseenNames) {
  Seen seen;
  std::set<std::string> prompts;
  for (const Example& example : read_examples("train")) {
    seen.add(example.record);
    prompts.insert(format_prompt(example.record));
    EXPECT_GE(example.record.size(), 3U);
    EXPECT_LE(example.record.size(), 7U);
  }
  Score score;
  for (const Example& example : read_examples("test")) {
    EXPECT_FALSE(prompts.contains(format_prompt(example.record)));
    tally(score, example.record, {}, seen);
  }
  const Index all = score.groups["all"].records;
  EXPECT_EQ(score.groups["unseen names"].records * 5, all);
  EXPECT_EQ(score.groups["seen names"].records + score.groups["unseen names"].records, all);
  EXPECT_EQ(score.groups["unseen slot sets"].records * 4, all);
}

TEST(Task, PromptReadsBackAndBadPromptsAreRefused) {
  EXPECT_EQ(parse_prompt(format_prompt(wren()), "here"), wren());
  EXPECT_THROW(parse_prompt("boat = A; sails = 2\n", "here"), Error);
  EXPECT_THROW(parse_prompt("boat = A; boat = B\n", "here"), Error);
  EXPECT_THROW(parse_prompt("kind = yawl\n", "here"), Error);
}

}  // namespace
}  // namespace lorry::demo
