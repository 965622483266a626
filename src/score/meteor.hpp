// score/meteor.hpp: METEOR with exact and stem matches.
#pragma once
#include <span>

#include "score/instances.hpp"

namespace lorry::score {

/// The mean over instances of the best over references (Lavie & Agarwal 2007, section 2, without WordNet, as
/// NLTK's meteor_score aligns). Words are matched one to one from the last to the first, first equal ones,
/// then those of equal stem; with P and R the matched shares of hypothesis and reference and c the runs that
/// are neighbours in both, over matches,
///
///     score = (1 - 0.5 c^3) P R / (0.9 P + 0.1 R)
///
/// Not METEOR 1.5 (Denkowski & Lavie 2014), which has other weights, synonyms and paraphrases. Words of
/// caption_words.
double mean_meteor(std::span<const WordInstance> instances);

double meteor(const Words& hypothesis, const Words& reference);

}  // namespace lorry::score
