// score/rouge_l.hpp: ROUGE-L (Lin 2004) as coco-caption computes it.
#pragma once
#include <span>

#include "score/instances.hpp"

namespace lorry::score {

/// The mean over instances of (1 + b^2) P R / (R + b^2 P), b = 1.2: P and R are the longest common
/// subsequence over the hypothesis' and over the reference's words, each the best over all references. Words
/// of caption_words.
double mean_rouge_l(std::span<const WordInstance> instances);

}  // namespace lorry::score
