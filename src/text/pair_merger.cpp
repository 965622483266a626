#include "text/pair_merger.hpp"

#include <utility>

#include "text/pair_key.hpp"

namespace lorry::text {

void PairMerger::add_word(std::vector<std::int32_t> symbols, std::int64_t count) {
  words_.push_back({std::move(symbols), count});
}

void PairMerger::count_pairs() {
  for (std::size_t i = 0; i < words_.size(); ++i) {
    const Word& word = words_[i];
    for (std::size_t j = 0; j + 1 < word.symbols.size(); ++j) {
      change(word.symbols[j], word.symbols[j + 1], word.count, static_cast<std::int32_t>(i));
    }
  }
  grown_.clear();
  for (const auto& [pair, occurrences] : pairs_) queue_.push({occurrences.count, pair});
}

std::optional<PairMerger::Pair> PairMerger::pop_best(std::int64_t min_count) {
  while (!queue_.empty()) {
    const Candidate best = queue_.top();
    queue_.pop();
    const auto entry = pairs_.find(best.pair);
    if (entry == pairs_.end()) continue;
    const std::int64_t count = entry->second.count;
    if (count < min_count) continue;
    if (count < best.count) {
      // It shrank since it was queued; it waits again at its true place. A grown one was queued again when it
      // grew.
      queue_.push({count, best.pair});
      continue;
    }
    if (count > best.count) continue;
    return Pair{static_cast<std::int32_t>(best.pair >> 32),
                static_cast<std::int32_t>(best.pair & 0xFFFFFFFFU)};
  }
  return std::nullopt;
}

void PairMerger::merge(Pair pair, std::int32_t symbol) {
  const auto entry = pairs_.find(pair_key(pair.left, pair.right));
  if (entry == pairs_.end()) return;
  const std::vector<std::int32_t> words = std::move(entry->second.words);
  for (const std::int32_t word : words) merge_in(word, pair, symbol);
  // Taken out last: merging a pair of equals ("aa" in "aaa") counts it down on the way.
  pairs_.erase(pair_key(pair.left, pair.right));
  for (const std::uint64_t key : grown_) {
    if (const auto grown = pairs_.find(key); grown != pairs_.end()) queue_.push({grown->second.count, key});
  }
  grown_.clear();
}

void PairMerger::merge_in(std::int32_t index, Pair pair, std::int32_t symbol) {
  Word& word = words_[static_cast<std::size_t>(index)];
  std::vector<std::int32_t>& old = word.symbols;
  std::vector<std::int32_t> merged;
  merged.reserve(old.size());
  std::vector<bool> leaves(old.size() + 1, false);  // old symbols that are merged away
  bool found = false;
  for (std::size_t i = 0; i < old.size(); ++i) {
    const bool here = i + 1 < old.size() && old[i] == pair.left && old[i + 1] == pair.right;
    merged.push_back(here ? symbol : old[i]);
    if (!here) continue;
    found = leaves[i] = leaves[i + 1] = true;
    ++i;
  }
  if (!found) return;
  // Only pairs that touch a merge change; the symbol is new, so it marks them on the other side.
  for (std::size_t i = 0; i + 1 < old.size(); ++i) {
    if (leaves[i] || leaves[i + 1]) change(old[i], old[i + 1], -word.count, index);
  }
  for (std::size_t i = 0; i + 1 < merged.size(); ++i) {
    if (merged[i] == symbol || merged[i + 1] == symbol) change(merged[i], merged[i + 1], word.count, index);
  }
  old = std::move(merged);
}

void PairMerger::change(std::int32_t left, std::int32_t right, std::int64_t by, std::int32_t word) {
  const std::uint64_t key = pair_key(left, right);
  Occurrences& occurrences = pairs_[key];
  occurrences.count += by;
  if (by < 0) return;
  if (occurrences.words.empty() || occurrences.words.back() != word) occurrences.words.push_back(word);
  if (grown_.empty() || grown_.back() != key) grown_.push_back(key);
}

}  // namespace lorry::text
