// generate/sampler.hpp: from one row of logits to the next token.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/index.hpp"
#include "core/rng.hpp"

namespace lorry::generate {

struct SamplerOptions {
  float temperature = 0.0F;  // divides the logits; 0: greedy, and the rest has no effect
  Index top_k = 0;           // keep the k largest logits (more where the k-th is tied); 0: all
  float top_p = 1.0F;  // then keep the smallest set of likeliest tokens with at least this mass; in (0, 1]
  std::uint64_t seed = 0;
};

/// Filters in the order of transformers' generate(): temperature, top-k, top-p (Holtzman et al. 2020). One
/// sampler serves one text: its draws follow from the seed and the number of tokens picked so far.
class Sampler {
 public:
  /// Throws Error if an option is out of range.
  explicit Sampler(SamplerOptions options);

  /// The next token: greedy picks the largest logit, of equal ones the lowest id. Logits may be -infinity.
  /// Throws Error if one is NaN or +infinity, or all are -infinity.
  std::int32_t pick(std::span<const float> logits);

 private:
  struct Candidate {
    double weight;  // exp((logit - largest) / temperature): probability but for a factor
    std::int32_t id;
  };

  void keep_top_k();
  void keep_top_p();

  SamplerOptions options_;
  Rng rng_;
  std::vector<Candidate> candidates_;  // scratch, kept between calls
};

}  // namespace lorry::generate
