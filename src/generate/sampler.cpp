#include "generate/sampler.hpp"

#include <algorithm>
#include <cmath>

#include "core/check.hpp"
#include "core/error.hpp"

namespace lorry::generate {
namespace {

constexpr std::uint64_t kSampleStream = 0x73616D706CULL << 24;  // "sampl": apart from other uses of the seed

void check_options(const SamplerOptions& options) {
  if (!(options.temperature >= 0) || !std::isfinite(options.temperature)) {
    throw Error("[generate] --temperature: found {}; expected a finite number, at least 0",
                options.temperature);
  }
  if (options.top_k < 0) throw Error("[generate] --top-k: found {}; expected at least 0", options.top_k);
  if (!(options.top_p > 0 && options.top_p <= 1)) {
    throw Error("[generate] --top-p: found {}; expected above 0 and at most 1", options.top_p);
  }
}

Index find_largest(std::span<const float> logits) {
  LORRY_CHECK(!logits.empty());
  std::size_t best = 0;
  bool any_nan = false;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    any_nan = any_nan || std::isnan(logits[i]);
    if (logits[i] > logits[best]) best = i;
  }
  if (any_nan || !std::isfinite(logits[best])) {
    throw Error("[generate] logits: found {}; expected finite numbers: did training diverge?",
                any_nan ? "NaN" : "infinity");
  }
  return static_cast<Index>(best);
}

}  // namespace

Sampler::Sampler(SamplerOptions options) : options_(options), rng_(options.seed, kSampleStream) {
  check_options(options_);
}

std::int32_t Sampler::pick(std::span<const float> logits) {
  const Index largest = find_largest(logits);
  if (options_.temperature == 0) return static_cast<std::int32_t>(largest);

  const double peak = logits[static_cast<std::size_t>(largest)];
  candidates_.clear();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double weight = std::exp((static_cast<double>(logits[i]) - peak) / options_.temperature);
    candidates_.push_back({weight, static_cast<std::int32_t>(i)});
  }
  keep_top_k();
  keep_top_p();

  double total = 0;
  for (const Candidate& candidate : candidates_) total += candidate.weight;
  double rest = static_cast<double>(rng_.next_uniform()) * total;
  for (const Candidate& candidate : candidates_) {
    rest -= candidate.weight;
    if (rest < 0) return candidate.id;
  }
  // Rounding in the sums can leave a last grain: the likeliest token is always a fair answer.
  return static_cast<std::int32_t>(largest);
}

void Sampler::keep_top_k() {
  const Index k = options_.top_k;
  if (k == 0 || k >= static_cast<Index>(candidates_.size())) return;
  std::vector<Candidate> ranked = candidates_;
  const auto kth = ranked.begin() + (k - 1);
  std::nth_element(ranked.begin(), kth, ranked.end(),
                   [](const Candidate& a, const Candidate& b) { return a.weight > b.weight; });
  std::erase_if(candidates_, [&](const Candidate& candidate) { return candidate.weight < kth->weight; });
}

void Sampler::keep_top_p() {
  if (options_.top_p >= 1) return;
  double total = 0;
  for (const Candidate& candidate : candidates_) total += candidate.weight;
  // A heap instead of a sort: the few likeliest tokens of a large vocabulary usually have the mass.
  const auto below = [](const Candidate& a, const Candidate& b) {
    return a.weight != b.weight ? a.weight < b.weight : a.id > b.id;
  };
  std::make_heap(candidates_.begin(), candidates_.end(), below);
  auto end = candidates_.end();
  for (double mass = 0; mass < options_.top_p * total && end != candidates_.begin(); --end) {
    std::pop_heap(candidates_.begin(), end, below);
    mass += (end - 1)->weight;
  }
  candidates_.erase(candidates_.begin(), end);
}

}  // namespace lorry::generate
