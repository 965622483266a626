// generate/repetition_penalty.hpp: tokens that a text has already are made less likely.
#pragma once
#include <cstdint>
#include <span>

namespace lorry::generate {

/// Divides the positive scores of tokens that occur in `ids` by `penalty` and multiplies the negative ones
/// (Keskar et al. 2019, sec. 4.1, as transformers has it: each token once, however often it occurs). Scores
/// may be logits or log-probabilities. penalty > 0; 1: no effect.
void penalize_repetition(std::span<const std::int32_t> ids, float penalty, std::span<float> scores);

}  // namespace lorry::generate
