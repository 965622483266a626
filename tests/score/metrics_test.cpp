// The metrics against sacrebleu, NLTK and their definitions as Python has them, to four decimals and more.
#include <gtest/gtest.h>

#include <cmath>

#include "score/caption_words.hpp"
#include "score/cider.hpp"
#include "score/golden.hpp"
#include "score/meteor.hpp"
#include "score/rouge_l.hpp"
#include "score/scores.hpp"

namespace lorry::score {
namespace {

constexpr double kTolerance = 1e-9;  // doubles added in another order

std::vector<Instance> instances_of(const io::Json& list) {
  std::vector<Instance> instances;
  for (const io::Json& json : list) {
    instances.push_back(
        {json.at("hypothesis").get<std::string>(), json.at("references").get<std::vector<std::string>>()});
  }
  return instances;
}

void expect_scores(const std::vector<Instance>& instances, const io::Json& want) {
  const auto number = [&](const std::string& name) { return want.at(name).get<double>(); };
  const Scores scores = score_all(instances, false);
  EXPECT_NEAR(scores.bleu.score, number("bleu"), kTolerance * 100);
  EXPECT_NEAR(scores.nist.mteval, number("nist"), kTolerance);
  EXPECT_NEAR(scores.nist.best_reference, number("nist_best_reference"), kTolerance);
  EXPECT_NEAR(scores.meteor, number("meteor"), kTolerance);
  EXPECT_NEAR(scores.rouge_l, number("rouge_l"), kTolerance);
  EXPECT_NEAR(scores.cider, number("cider"), kTolerance);
  const Scores cased = score_all(instances, true);
  EXPECT_NEAR(cased.bleu.score, number("bleu_case_sensitive"), kTolerance * 100);
  EXPECT_NEAR(cased.nist.mteval, number("nist_case_sensitive"), kTolerance);
  EXPECT_NEAR(cased.nist.best_reference, number("nist_best_reference_case_sensitive"), kTolerance);
  EXPECT_EQ(cased.cider, scores.cider) << "never depends on case";
}

TEST(Metrics, AgreeOnMadeUpTexts) {
  const io::Json golden = read_golden().at("made_up");
  const std::vector<Instance> instances = instances_of(golden.at("instances"));
  ASSERT_GE(instances.size(), 9U);
  expect_scores(instances, golden.at("scores"));
}

TEST(Metrics, AgreeOnTheExampleOfTheE2eScorer) {
  const std::filesystem::path folder = LORRY_SOURCE_DIR "/../shared/data/e2e";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "../shared/data is not here";
  const std::vector<Instance> instances =
      read_instances(folder / "metrics-example-output.txt", folder / "metrics-example-refs.txt");
  ASSERT_EQ(instances.size(), 10U);
  expect_scores(instances, read_golden().at("e2e").at("scores"));
}

TEST(Bleu, SmoothsOrdersWithoutAMatch) {
  // 5 words, 2 of them right, no pair: precisions 2/5, (1/2)/4, (1/4)/3, (1/8)/2.
  const std::vector<WordInstance> instances = {{{"a", "x", "b", "y", "z"}, {{"a", "p", "q", "b", "r"}}}};
  const Bleu bleu = corpus_bleu(instances);
  EXPECT_NEAR(bleu.score, 100 * std::pow(0.4 * 0.125 / 12 * 0.0625, 0.25), 1e-9);
  EXPECT_NEAR(bleu.precisions[2], 100.0 / 12, 1e-9);
}

TEST(Bleu, TakesTheNearestReferenceLength) {
  const Words four = {"a", "b", "c", "d"};
  const Words three = {"a", "b", "c"};
  const Words five = {"a", "b", "c", "d", "e"};
  const std::vector<WordInstance> tie = {{four, {five, three}}};
  EXPECT_EQ(corpus_bleu(tie).reference_words, 3);
  const std::vector<WordInstance> longer = {{four, {five}}};
  EXPECT_NEAR(corpus_bleu(longer).brevity_penalty, std::exp(-0.25), 1e-12);
}

TEST(Bleu, NothingRightIsNothing) {
  EXPECT_EQ(corpus_bleu(std::vector<WordInstance>{{{"a", "b", "c", "d"}, {{"e"}}}}).score, 0);
  EXPECT_EQ(corpus_bleu(std::vector<WordInstance>{{{}, {{"e"}}}}).score, 0);
}

TEST(Metrics, AreOneForACopy) {
  const Words words = caption_words("the cat sat on the mat");
  const std::vector<WordInstance> copies = {{words, {{"a"}, words}}, {{"other"}, {{"other"}}}};
  EXPECT_EQ(mean_rouge_l(copies), 1);
  // One run of six matches, and one of one: half of (1/6)^3 and half of 1 are lost.
  EXPECT_NEAR(mean_meteor(copies), (1 - 0.5 / 216 + 0.5) / 2, 1e-12);
}

TEST(Metrics, OfEmptyTextsAreZero) {
  const std::vector<Instance> empty = {{"", {"a b"}}, {".", {"?"}}};
  const Scores scores = score_all(empty, false);
  EXPECT_EQ(scores.bleu.score, 0);
  EXPECT_EQ(scores.nist.mteval, 0);
  EXPECT_EQ(scores.meteor, 0);
  EXPECT_EQ(scores.rouge_l, 0);
  EXPECT_EQ(scores.cider, 0);
}

}  // namespace
}  // namespace lorry::score
