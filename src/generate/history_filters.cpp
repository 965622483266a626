#include "generate/history_filters.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/option_error.hpp"
#include "generate/no_repeat_ngram.hpp"
#include "generate/repetition_penalty.hpp"

namespace lorry::generate {

void check_filters(const HistoryFilters& filters) {
  if (!(filters.repetition_penalty > 0) || !std::isfinite(filters.repetition_penalty)) {
    throw OptionError("[generate] --repetition-penalty: found {}; expected a finite number above 0",
                      filters.repetition_penalty);
  }
  if (filters.no_repeat_ngram_size < 0) {
    throw OptionError("[generate] --no-repeat-ngram-size: found {}; expected at least 0",
                      filters.no_repeat_ngram_size);
  }
}

void apply_filters(const HistoryFilters& filters, std::span<const std::int32_t> ids,
                   std::span<float> scores) {
  penalize_repetition(ids, filters.repetition_penalty, scores);
  if (filters.no_repeat_ngram_size == 0) return;
  ban_repeated_ngrams(ids, filters.no_repeat_ngram_size, scores);
  const auto is_banned = [](float score) { return score == -std::numeric_limits<float>::infinity(); };
  if (std::all_of(scores.begin(), scores.end(), is_banned)) {
    throw OptionError(
        "[generate] --no-repeat-ngram-size: found {}; expected more: every token would be a repetition",
        filters.no_repeat_ngram_size);
  }
}

}  // namespace lorry::generate
