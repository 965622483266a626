// generate/no_repeat_ngram.hpp: no run of n tokens occurs twice in a text.
#pragma once
#include <cstdint>
#include <span>

#include "core/index.hpp"

namespace lorry::generate {

/// Sets to -infinity the score of every token that, behind the last n-1 tokens of `ids`, would be the end of
/// a run of n tokens that `ids` has already (Paulus et al. 2017, sec. 2.5). n 0: no effect; 1: every token of
/// `ids` is banned.
void ban_repeated_ngrams(std::span<const std::int32_t> ids, Index n, std::span<float> scores);

}  // namespace lorry::generate
