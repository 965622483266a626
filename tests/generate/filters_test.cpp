// What the filters leave, against the processors of transformers' generate().
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.hpp"
#include "generate/no_repeat_ngram.hpp"
#include "generate/repetition_penalty.hpp"
#include "generate/sampler.hpp"
#include "io/json_file.hpp"
#include "model/golden_case.hpp"

namespace lorry::generate {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

SamplerOptions options_of(const io::Json& json) {
  return {.history = {.repetition_penalty = json.value("repetition_penalty", 1.0F),
                      .no_repeat_ngram_size = json.value("no_repeat_ngram_size", Index{0})},
          .temperature = json.value("temperature", 1.0F),
          .top_k = json.value("top_k", Index{0}),
          .top_p = json.value("top_p", 1.0F),
          .min_p = json.value("min_p", 0.0F)};
}

TEST(Filters, LeaveTheProbabilitiesOfTransformers) {
  const io::Json golden = io::read_json_file(model::golden_folder() / "generation/filters.json");
  ASSERT_GE(golden.at("cases").size(), 11U);
  for (const io::Json& test : golden.at("cases")) {
    Sampler sampler(options_of(test.at("options")));
    const auto got = sampler.probabilities(test.at("logits").get<std::vector<float>>(),
                                           test.at("ids").get<std::vector<std::int32_t>>());
    const auto want = test.at("probabilities").get<std::vector<double>>();
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
      EXPECT_EQ(got[i] == 0, want[i] == 0) << test.at("options") << " token " << i;
      EXPECT_NEAR(got[i], want[i], 5e-7) << test.at("options") << " token " << i;  // logits in float32
    }
  }
}

TEST(RepetitionPenalty, CountsEachTokenOnce) {
  std::vector<float> scores = {2.0F, -2.0F, 3.0F, 0.0F};
  const std::vector<std::int32_t> ids = {0, 1, 0, 1, 3};
  penalize_repetition(ids, 2.0F, scores);
  EXPECT_EQ(scores, (std::vector<float>{1.0F, -4.0F, 3.0F, 0.0F}));
}

/// The tokens of 6 that `ids` bans.
std::vector<int> banned(const std::vector<std::int32_t>& ids, Index n) {
  std::vector<float> scores(6, 1.0F);
  ban_repeated_ngrams(ids, n, scores);
  std::vector<int> found;
  for (int i = 0; i < 6; ++i) {
    if (scores[static_cast<std::size_t>(i)] == -kInfinity) found.push_back(i);
  }
  return found;
}

TEST(NoRepeatNgram, BansWhatFollowedTheSameTokens) {
  const std::vector<std::int32_t> ids = {1, 2, 3, 1, 2, 4, 5, 1, 2};
  EXPECT_EQ(banned(ids, 0), std::vector<int>());
  EXPECT_EQ(banned(ids, 1), (std::vector<int>{1, 2, 3, 4, 5}));
  EXPECT_EQ(banned(ids, 2), (std::vector<int>{3, 4}));
  EXPECT_EQ(banned(ids, 3), (std::vector<int>{3, 4}));
  EXPECT_EQ(banned(ids, 4), std::vector<int>()) << "5 1 2 came once";
  EXPECT_EQ(banned({1, 1}, 2), std::vector<int>{1});
  EXPECT_EQ(banned({1}, 2), std::vector<int>());
  EXPECT_EQ(banned({1, 2}, 5), std::vector<int>());
}

TEST(NoRepeatNgram, SaysWhenNoTokenIsLeft) {
  std::vector<float> scores = {1.0F, 2.0F};
  try {
    apply_filters({.no_repeat_ngram_size = 1}, std::vector<std::int32_t>{1, 0}, scores);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("--no-repeat-ngram-size: found 1"), std::string::npos);
  }
}

}  // namespace
}  // namespace lorry::generate
