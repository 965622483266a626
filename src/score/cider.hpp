// score/cider.hpp: CIDEr (Vedantam et al. 2015) in the variant D that coco-caption computes.
#pragma once
#include <span>

#include "score/instances.hpp"

namespace lorry::score {

/// The mean over instances, of n = 1 to 4 and of an instance's references, of ten times the cosine of the
/// counts of n-grams, each times log(instances / instances whose references have it). In the product a count
/// of the hypothesis above the reference's counts as that, and texts whose lengths differ by d are worth
/// exp(-d^2 / 72) of it. A length is the number of bigrams, as in coco-caption. Words of caption_words.
double mean_cider(std::span<const WordInstance> instances);

}  // namespace lorry::score
