#include "score/ngrams.hpp"

#include <algorithm>

namespace lorry::score {

NgramCounts count_ngrams(const Words& words, Index n) {
  NgramCounts counts;
  for (Index first = 0; first < ngram_total(words, n); ++first) {
    std::string ngram = words[static_cast<std::size_t>(first)];
    for (Index i = 1; i < n; ++i) ngram += " " + words[static_cast<std::size_t>(first + i)];
    ++counts[ngram];
  }
  return counts;
}

Index ngram_total(const Words& words, Index n) {
  return std::max<Index>(0, static_cast<Index>(words.size()) - n + 1);
}

NgramCounts most_in_one(const std::vector<Words>& texts, Index n) {
  NgramCounts most;
  for (const Words& words : texts) {
    for (const auto& [ngram, count] : count_ngrams(words, n)) {
      Index& known = most[ngram];
      known = std::max(known, count);
    }
  }
  return most;
}

}  // namespace lorry::score
