// generate/history_filters.hpp: what the text so far, prompt included, does to the scores of the next token.
#pragma once
#include <cstdint>
#include <span>

#include "core/index.hpp"

namespace lorry::generate {

/// They act on greedy decoding, sampling and beam search alike.
struct HistoryFilters {
  float repetition_penalty = 1.0F;  // above 0; 1: none
  Index no_repeat_ngram_size = 0;   // 0: off

  [[nodiscard]] bool any() const { return repetition_penalty != 1.0F || no_repeat_ngram_size > 0; }
};

/// Throws Error if an option is out of range.
void check_filters(const HistoryFilters& filters);

/// In the order of transformers' generate(): repetition penalty, then n-grams. Scores are logits or
/// log-probabilities. Throws Error if no token is left.
void apply_filters(const HistoryFilters& filters, std::span<const std::int32_t> ids, std::span<float> scores);

}  // namespace lorry::generate
