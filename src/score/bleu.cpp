#include "score/bleu.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "score/ngrams.hpp"

namespace lorry::score {

namespace {

Index nearest_length(const WordInstance& instance) {
  const auto length = static_cast<Index>(instance.hypothesis.size());
  Index best = static_cast<Index>(instance.references.front().size());
  for (const Words& reference : instance.references) {
    const auto other = static_cast<Index>(reference.size());
    const Index gain = std::abs(best - length) - std::abs(other - length);
    if (gain > 0 || (gain == 0 && other < best)) best = other;
  }
  return best;
}

Index matches(const WordInstance& instance, Index n) {
  const NgramCounts most = most_in_one(instance.references, n);
  Index sum = 0;
  for (const auto& [ngram, count] : count_ngrams(instance.hypothesis, n)) {
    const auto found = most.find(ngram);
    if (found != most.end()) sum += std::min(count, found->second);
  }
  return sum;
}

}  // namespace

Bleu corpus_bleu(std::span<const WordInstance> instances) {
  Bleu bleu;
  for (const WordInstance& instance : instances) {
    bleu.hypothesis_words += static_cast<Index>(instance.hypothesis.size());
    bleu.reference_words += nearest_length(instance);
  }
  const auto hypothesis = static_cast<double>(bleu.hypothesis_words);
  const auto reference = static_cast<double>(bleu.reference_words);
  if (hypothesis > 0) bleu.brevity_penalty = std::min(1.0, std::exp(1 - reference / hypothesis));
  double log_sum = 0;
  double halves = 1;
  bool any = false;
  bool all = true;  // orders have n-grams
  for (Index n = 1; n <= Bleu::kOrders; ++n) {
    Index correct = 0;
    Index total = 0;
    for (const WordInstance& instance : instances) {
      correct += matches(instance, n);
      total += ngram_total(instance.hypothesis, n);
    }
    any = any || correct > 0;
    all = all && total > 0;
    if (total == 0) continue;
    if (correct == 0) halves *= 2;
    const double counted = correct == 0 ? 1 / halves : static_cast<double>(correct);
    double& precision = bleu.precisions[static_cast<std::size_t>(n - 1)];
    precision = 100 * counted / static_cast<double>(total);
    log_sum += std::log(precision);
  }
  if (any && all) bleu.score = bleu.brevity_penalty * std::exp(log_sum / Bleu::kOrders);
  if (!any) bleu.precisions = {};
  return bleu;
}

}  // namespace lorry::score
