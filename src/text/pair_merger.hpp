// text/pair_merger.hpp: the counting at the heart of BPE training.
#pragma once
#include <cstdint>
#include <optional>
#include <queue>
#include <unordered_map>
#include <vector>

#include "core/index.hpp"

namespace lorry::text {

/// Words as lists of symbols, with the count of every pair of neighbours kept up to date while pairs are
/// merged. A merge costs what the words that contain it cost, not a pass over all words.
class PairMerger {
 public:
  struct Pair {
    std::int32_t left, right;
  };

  /// `symbols` of a word that occurs `count` times.
  void add_word(std::vector<std::int32_t> symbols, std::int64_t count);
  /// Call once, behind the last add_word.
  void count_pairs();

  /// The pair with the highest count, and of equals the smallest (left, right), that has at least
  /// `min_count`. A pair that is then not merged may come again.
  std::optional<Pair> pop_best(std::int64_t min_count);
  /// Replaces every `pair` by `symbol`, which no word may hold yet, from left to right.
  void merge(Pair pair, std::int32_t symbol);

 private:
  struct Word {
    std::vector<std::int32_t> symbols;
    std::int64_t count;
  };
  struct Occurrences {
    std::int64_t count = 0;
    std::vector<std::int32_t>
        words;  // indices, ascending but for repeats; some may no longer contain the pair
  };
  struct Candidate {
    std::int64_t count;
    std::uint64_t pair;
    bool operator<(const Candidate& other) const {
      return count != other.count ? count < other.count : pair > other.pair;
    }
  };

  void merge_in(std::int32_t index, Pair pair, std::int32_t symbol);
  void change(std::int32_t left, std::int32_t right, std::int64_t by, std::int32_t word);

  std::vector<Word> words_;
  std::unordered_map<std::uint64_t, Occurrences> pairs_;
  std::priority_queue<Candidate> queue_;  // may hold outdated counts; checked when popped
  std::vector<std::uint64_t> grown_;      // pairs whose count rose in the current merge
};

}  // namespace lorry::text
