#include "score/nist.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "score/ngrams.hpp"

namespace lorry::score {

namespace {

constexpr Index kNistOrders = 5;

/// How much an n-gram tells, in bits.
class Information {
 public:
  explicit Information(std::span<const WordInstance> instances) {
    for (const WordInstance& instance : instances) {
      for (const Words& reference : instance.references) {
        words_ += static_cast<Index>(reference.size());
        for (Index n = 1; n <= kNistOrders; ++n) {
          for (const auto& [ngram, count] : count_ngrams(reference, n)) counts_[ngram] += count;
        }
      }
    }
  }

  /// `ngram` occurs in a reference.
  [[nodiscard]] double of(const std::string& ngram) const {
    const std::size_t last_word = ngram.rfind(' ');
    const Index before = last_word == std::string::npos ? words_ : counts_.at(ngram.substr(0, last_word));
    return std::log2(static_cast<double>(before) / static_cast<double>(counts_.at(ngram)));
  }

 private:
  NgramCounts counts_;
  Index words_ = 0;
};

double overlap(const NgramCounts& hypothesis, const NgramCounts& reference, const Information& information) {
  double sum = 0;
  for (const auto& [ngram, count] : hypothesis) {
    const auto found = reference.find(ngram);
    if (found != reference.end())
      sum += information.of(ngram) * static_cast<double>(std::min(count, found->second));
  }
  return sum;
}

double length_penalty(double hypothesis, double reference) {
  const double ratio = reference > 0 ? hypothesis / reference : 1;
  if (ratio >= 1) return 1;
  if (ratio <= 0) return 0;
  const double beta = std::log(0.5) / std::pow(std::log(1.5), 2);
  return std::exp(beta * std::pow(std::log(ratio), 2));
}

}  // namespace

Nist corpus_nist(std::span<const WordInstance> instances) {
  const Information information(instances);
  Nist nist;
  double words = 0;
  double mean_length = 0;  // of an instance's references, over all instances
  double best_length = 0;  // of the best references, over all instances and orders
  for (const WordInstance& instance : instances) {
    words += static_cast<double>(instance.hypothesis.size());
    double sum = 0;
    for (const Words& reference : instance.references) sum += static_cast<double>(reference.size());
    mean_length += sum / static_cast<double>(instance.references.size());
  }
  for (Index n = 1; n <= kNistOrders; ++n) {
    double any = 0;
    double best_sum = 0;
    double total = 0;
    for (const WordInstance& instance : instances) {
      const NgramCounts hypothesis = count_ngrams(instance.hypothesis, n);
      total += static_cast<double>(ngram_total(instance.hypothesis, n));
      any += overlap(hypothesis, most_in_one(instance.references, n), information);
      std::pair<double, double> best = {-1, 0};  // overlap; of equal ones the longer reference
      for (const Words& reference : instance.references) {
        best = std::max(best, {overlap(hypothesis, count_ngrams(reference, n), information),
                               static_cast<double>(reference.size())});
      }
      best_sum += best.first;
      best_length += best.second;
    }
    if (total == 0) continue;
    nist.mteval += any / total;
    nist.best_reference += best_sum / total;
  }
  nist.mteval *= length_penalty(words, mean_length);
  nist.best_reference *= length_penalty(words * kNistOrders, best_length);
  return nist;
}

}  // namespace lorry::score
