// score/ngrams.hpp: runs of n words and how often each occurs.
#pragma once
#include <string>
#include <unordered_map>

#include "core/index.hpp"
#include "score/tokens_13a.hpp"

namespace lorry::score {

/// The words joined by spaces, which no word has, and the count.
using NgramCounts = std::unordered_map<std::string, Index>;

NgramCounts count_ngrams(const Words& words, Index n);

/// How many runs of n words there are.
Index ngram_total(const Words& words, Index n);

/// Of each n-gram the most that one of the texts has.
NgramCounts most_in_one(const std::vector<Words>& texts, Index n);

}  // namespace lorry::score
