#include "generate/sampler.hpp"

#include <cmath>

#include "core/option_error.hpp"
#include "generate/likeliest.hpp"

namespace lorry::generate {
namespace {

constexpr std::uint64_t kSampleStream = 0x73616D706CULL << 24;  // "sampl": apart from other uses of the seed

void check_options(const SamplerOptions& options) {
  check_filters(options.history);
  if (!(options.temperature >= 0) || !std::isfinite(options.temperature)) {
    throw OptionError("[generate] --temperature: found {}; expected a finite number, at least 0",
                      options.temperature);
  }
  if (options.top_k < 0)
    throw OptionError("[generate] --top-k: found {}; expected at least 0", options.top_k);
  if (!(options.top_p > 0 && options.top_p <= 1)) {
    throw OptionError("[generate] --top-p: found {}; expected above 0 and at most 1", options.top_p);
  }
  if (!(options.min_p >= 0 && options.min_p <= 1)) {
    throw OptionError("[generate] --min-p: found {}; expected 0 to 1", options.min_p);
  }
}

}  // namespace

Sampler::Sampler(SamplerOptions options) : options_(options), rng_(options.seed, kSampleStream) {
  check_options(options_);
}

std::int32_t Sampler::filter(std::span<const float> logits, std::span<const std::int32_t> ids) {
  if (options_.history.any()) {
    scores_.assign(logits.begin(), logits.end());
    apply_filters(options_.history, ids, scores_);
    logits = scores_;
  }
  const std::int32_t largest = find_likeliest(logits);
  candidates_.clear();
  if (options_.temperature == 0) {
    candidates_.push_back({1.0, largest});
    return largest;
  }
  const double peak = logits[static_cast<std::size_t>(largest)];
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double weight = std::exp((static_cast<double>(logits[i]) - peak) / options_.temperature);
    candidates_.push_back({weight, static_cast<std::int32_t>(i)});
  }
  keep_top_k(candidates_, options_.top_k);
  keep_top_p(candidates_, options_.top_p);
  keep_min_p(candidates_, options_.min_p);
  return largest;
}

std::int32_t Sampler::pick(std::span<const float> logits, std::span<const std::int32_t> ids) {
  const std::int32_t largest = filter(logits, ids);
  if (options_.temperature == 0) return largest;
  double total = 0;
  for (const Candidate& candidate : candidates_) total += candidate.weight;
  double rest = static_cast<double>(rng_.next_uniform()) * total;
  for (const Candidate& candidate : candidates_) {
    rest -= candidate.weight;
    if (rest < 0) return candidate.id;
  }
  // Rounding in the sums can leave a last grain: the likeliest token is always a fair answer.
  return largest;
}

std::vector<double> Sampler::probabilities(std::span<const float> logits, std::span<const std::int32_t> ids) {
  filter(logits, ids);
  double total = 0;
  for (const Candidate& candidate : candidates_) total += candidate.weight;
  std::vector<double> probabilities(logits.size());
  for (const Candidate& candidate : candidates_) {
    probabilities[static_cast<std::size_t>(candidate.id)] = candidate.weight / total;
  }
  return probabilities;
}

}  // namespace lorry::generate
