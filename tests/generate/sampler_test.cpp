#include "generate/sampler.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.hpp"

namespace lorry::generate {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int kDraws = 40000;

std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)) + 3.0F);
  return logits;
}

/// Pearson's chi-square of kDraws picks against `expected`; a token that must not occur gives infinity.
double chi_square(SamplerOptions options, const std::vector<float>& logits,
                  const std::vector<double>& expected) {
  Sampler sampler(options);
  std::vector<int> counts(logits.size());
  for (int i = 0; i < kDraws; ++i) ++counts[static_cast<std::size_t>(sampler.pick(logits, {}))];
  double sum = 0;
  for (std::size_t id = 0; id < counts.size(); ++id) {
    const double mean = expected[id] * kDraws;
    if (mean == 0) {
      if (counts[id] > 0) return kInfinity;
      continue;
    }
    sum += (counts[id] - mean) * (counts[id] - mean) / mean;
  }
  return sum;
}

constexpr double kBound = 20.0;  // 4 degrees of freedom exceed it once in 2000 seeds; the seeds are fixed

TEST(Sampler, GreedyTakesTheLowestIdOfEqualLogits) {
  Sampler sampler({});
  EXPECT_EQ(sampler.pick(std::vector<float>{0.5F, 2.0F, -1.0F, 2.0F}, {}), 1);
  EXPECT_EQ(sampler.pick(std::vector<float>{-kInfinity, -7.0F}, {}), 1);
}

TEST(Sampler, TemperatureOneDrawsTheSoftmax) {
  const std::vector<double> p = {0.4, 0.05, 0.3, 0.05, 0.2};
  EXPECT_LT(chi_square({.temperature = 1.0F, .seed = 1}, logits_of(p), p), kBound);
}

TEST(Sampler, TemperatureDividesTheLogits) {
  const std::vector<double> p = {0.4, 0.05, 0.3, 0.05, 0.2};
  std::vector<double> squared;  // temperature 1/2
  double total = 0;
  for (const double x : p) total += x * x;
  for (const double x : p) squared.push_back(x * x / total);
  EXPECT_LT(chi_square({.temperature = 0.5F, .seed = 2}, logits_of(p), squared), kBound);
}

TEST(Sampler, TopKKeepsTheLargestAndTheirTies) {
  const std::vector<double> p = {0.4, 0.05, 0.3, 0.05, 0.2};
  EXPECT_LT(
      chi_square({.temperature = 1.0F, .top_k = 2, .seed = 3}, logits_of(p), {4.0 / 7, 0, 3.0 / 7, 0, 0}),
      kBound);
  EXPECT_LT(chi_square({.temperature = 1.0F, .top_k = 4, .seed = 4}, logits_of(p), p), kBound);  // 0.05 twice
  EXPECT_LT(chi_square({.temperature = 1.0F, .top_k = 99, .seed = 5}, logits_of(p), p), kBound);
}

TEST(Sampler, TopPKeepsTheSmallestSetThatReachesIt) {
  const std::vector<double> p = {0.4, 0.05, 0.3, 0.05, 0.2};
  const std::vector<double> two = {4.0 / 7, 0, 3.0 / 7, 0, 0};
  const std::vector<double> three = {4.0 / 9, 0, 3.0 / 9, 0, 2.0 / 9};
  EXPECT_LT(chi_square({.temperature = 1.0F, .top_p = 0.69F, .seed = 6}, logits_of(p), two), kBound);
  EXPECT_LT(chi_square({.temperature = 1.0F, .top_p = 0.71F, .seed = 7}, logits_of(p), three), kBound);
  EXPECT_LT(chi_square({.temperature = 1.0F, .top_p = 0.01F, .seed = 8}, logits_of(p), {1, 0, 0, 0, 0}),
            kBound);
}

TEST(Sampler, TopPMeasuresTheMassThatTopKLeft) {
  // Of 0.4 and 0.3 the first has 4/7 = 0.571, so top_p 0.5 keeps it alone; of all five it would keep two.
  const std::vector<double> p = {0.4, 0.05, 0.3, 0.05, 0.2};
  EXPECT_LT(
      chi_square({.temperature = 1.0F, .top_k = 2, .top_p = 0.5F, .seed = 9}, logits_of(p), {1, 0, 0, 0, 0}),
      kBound);
}

TEST(Sampler, MinPMeasuresAgainstTheLikeliest) {
  const std::vector<double> p = {0.4, 0.05, 0.3, 0.05, 0.2};
  const std::vector<double> three = {4.0 / 9, 0, 3.0 / 9, 0, 2.0 / 9};
  EXPECT_LT(chi_square({.temperature = 1.0F, .min_p = 0.49F, .seed = 10}, logits_of(p), three), kBound);
  EXPECT_LT(chi_square({.temperature = 1.0F, .min_p = 1.0F, .seed = 11}, logits_of(p), {1, 0, 0, 0, 0}),
            kBound);
  EXPECT_LT(chi_square({.temperature = 1.0F, .min_p = 0.12F, .seed = 12}, logits_of(p), p), kBound);
}

TEST(Sampler, HistoryActsOnGreedyToo) {
  const std::vector<float> logits = {1.0F, 1.2F, -1.0F, -1.1F};
  const std::vector<std::int32_t> ids = {1, 2, 1};
  EXPECT_EQ(Sampler({.history = {.repetition_penalty = 1.19F}}).pick(logits, ids), 1);
  EXPECT_EQ(Sampler({.history = {.repetition_penalty = 1.21F}}).pick(logits, ids), 0);
  EXPECT_EQ(Sampler({.history = {.no_repeat_ngram_size = 1}}).pick(logits, ids), 0);
  EXPECT_EQ(Sampler({.history = {.no_repeat_ngram_size = 2}}).pick(logits, ids), 1) << "only 2 followed 1";
}

TEST(Sampler, SameSeedSameText) {
  const std::vector<float> logits(50, 0.0F);
  const auto draw = [&](std::uint64_t seed) {
    Sampler sampler({.temperature = 1.0F, .top_k = 20, .top_p = 0.9F, .seed = seed});
    std::vector<std::int32_t> ids;
    for (int i = 0; i < 30; ++i) ids.push_back(sampler.pick(logits, {}));
    return ids;
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
}

TEST(Sampler, TinyTemperatureIsGreedy) {
  Sampler sampler({.temperature = 1e-30F});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(sampler.pick(std::vector<float>{1.0F, 1.001F, -kInfinity}, {}), 1);
}

TEST(Sampler, RefusesBadOptionsAndLogits) {
  EXPECT_THROW(Sampler({.temperature = -1.0F}), Error);
  EXPECT_THROW(Sampler({.temperature = std::nanf("")}), Error);
  EXPECT_THROW(Sampler({.top_k = -1}), Error);
  EXPECT_THROW(Sampler({.top_p = 0.0F}), Error);
  EXPECT_THROW(Sampler({.top_p = 1.1F}), Error);
  EXPECT_THROW(Sampler({.min_p = -0.1F}), Error);
  EXPECT_THROW(Sampler({.min_p = 1.1F}), Error);
  EXPECT_THROW(Sampler({.history = {.repetition_penalty = 0.0F}}), Error);
  EXPECT_THROW(Sampler({.history = {.no_repeat_ngram_size = -1}}), Error);
  Sampler sampler({});
  EXPECT_THROW(sampler.pick(std::vector<float>{std::nanf(""), 1.0F}, {}), Error);
  EXPECT_THROW(sampler.pick(std::vector<float>{1.0F, kInfinity}, {}), Error);
  EXPECT_THROW(sampler.pick(std::vector<float>{-kInfinity, -kInfinity}, {}), Error);
}

}  // namespace
}  // namespace lorry::generate
