// generate/sampler.hpp: from one row of logits to the next token.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/index.hpp"
#include "core/rng.hpp"
#include "generate/candidates.hpp"
#include "generate/history_filters.hpp"

namespace lorry::generate {

struct SamplerOptions {
  HistoryFilters history = {};
  float temperature = 0.0F;  // divides the logits; 0: greedy, and the rest has no effect
  Index top_k = 0;           // keep the k largest logits (more where the k-th is tied); 0: all
  float top_p = 1.0F;  // then keep the smallest set of likeliest tokens with at least this mass; in (0, 1]
  float min_p = 0.0F;  // then keep those at least this likely, against the likeliest; in [0, 1]
  std::uint64_t seed = 0;
};

/// Filters in the order of transformers' generate(): repetition penalty, n-grams, temperature, top-k, top-p,
/// min-p. One sampler serves one text: its draws follow from the seed and the number of tokens picked so far.
class Sampler {
 public:
  /// Throws Error if an option is out of range.
  explicit Sampler(SamplerOptions options);

  /// The next token of a text that has the tokens `ids`, prompt included: greedy picks the largest logit, of
  /// equal ones the lowest id. Logits may be -infinity. Throws Error if one is NaN or +infinity, or all are
  /// -infinity.
  std::int32_t pick(std::span<const float> logits, std::span<const std::int32_t> ids);

  /// The probability of each token [V] that pick draws from; greedy: 1 for the one that it picks. Throws as
  /// pick does.
  std::vector<double> probabilities(std::span<const float> logits, std::span<const std::int32_t> ids);

 private:
  /// Fills candidates_; returns the likeliest token.
  std::int32_t filter(std::span<const float> logits, std::span<const std::int32_t> ids);

  SamplerOptions options_;
  Rng rng_;
  std::vector<float> scores_;          // scratch, kept between calls
  std::vector<Candidate> candidates_;  // the same
};

}  // namespace lorry::generate
