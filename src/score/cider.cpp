#include "score/cider.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "score/ngrams.hpp"

namespace lorry::score {

namespace {

constexpr std::size_t kCiderOrders = 4;
constexpr double kSigma = 6;

/// How many instances have an n-gram in a reference.
using Frequencies = std::unordered_map<std::string, Index>;

/// A text as a vector for each order.
struct Vectors {
  std::array<std::unordered_map<std::string, double>, kCiderOrders> weights;
  std::array<double, kCiderOrders> norms{};
  double length = 0;
};

Frequencies document_frequencies(std::span<const WordInstance> instances) {
  Frequencies frequencies;
  for (const WordInstance& instance : instances) {
    std::unordered_set<std::string> seen;
    for (const Words& reference : instance.references) {
      for (std::size_t n = 1; n <= kCiderOrders; ++n) {
        for (const auto& [ngram, count] : count_ngrams(reference, static_cast<Index>(n))) seen.insert(ngram);
      }
    }
    for (const std::string& ngram : seen) ++frequencies[ngram];
  }
  return frequencies;
}

Vectors vectors_of(const Words& words, const Frequencies& frequencies, double log_instances) {
  Vectors vectors;
  vectors.length = static_cast<double>(ngram_total(words, 2));
  for (std::size_t n = 0; n < kCiderOrders; ++n) {
    double squares = 0;
    for (const auto& [ngram, count] : count_ngrams(words, static_cast<Index>(n + 1))) {
      const auto found = frequencies.find(ngram);
      const double frequency = found == frequencies.end() ? 1 : static_cast<double>(found->second);
      const double weight = static_cast<double>(count) * (log_instances - std::log(frequency));
      vectors.weights[n][ngram] = weight;
      squares += weight * weight;
    }
    vectors.norms[n] = std::sqrt(squares);
  }
  return vectors;
}

/// The mean over orders.
double similarity(const Vectors& hypothesis, const Vectors& reference) {
  double sum = 0;
  for (std::size_t n = 0; n < kCiderOrders; ++n) {
    if (hypothesis.norms[n] == 0 || reference.norms[n] == 0) continue;
    double product = 0;
    for (const auto& [ngram, weight] : hypothesis.weights[n]) {
      const auto found = reference.weights[n].find(ngram);
      if (found != reference.weights[n].end()) product += std::min(weight, found->second) * found->second;
    }
    sum += product / (hypothesis.norms[n] * reference.norms[n]);
  }
  const double difference = hypothesis.length - reference.length;
  return sum / kCiderOrders * std::exp(-difference * difference / (2 * kSigma * kSigma));
}

}  // namespace

double mean_cider(std::span<const WordInstance> instances) {
  const Frequencies frequencies = document_frequencies(instances);
  const double log_instances = std::log(static_cast<double>(instances.size()));
  double sum = 0;
  for (const WordInstance& instance : instances) {
    const Vectors hypothesis = vectors_of(instance.hypothesis, frequencies, log_instances);
    double similarities = 0;
    for (const Words& reference : instance.references) {
      similarities += similarity(hypothesis, vectors_of(reference, frequencies, log_instances));
    }
    sum += 10 * similarities / static_cast<double>(instance.references.size());
  }
  return sum / static_cast<double>(instances.size());
}

}  // namespace lorry::score
