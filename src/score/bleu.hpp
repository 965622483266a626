// score/bleu.hpp: BLEU (Papineni et al. 2002) of a corpus, as mteval-v13a.pl and sacrebleu define it.
#pragma once
#include <array>
#include <span>

#include "core/index.hpp"
#include "score/instances.hpp"

namespace lorry::score {

struct Bleu {
  static constexpr Index kOrders = 4;
  double score = 0;                          // 0 to 100
  std::array<double, kOrders> precisions{};  // of n-grams, in percent
  double brevity_penalty = 0;
  Index hypothesis_words = 0;
  Index reference_words = 0;  // of each instance the reference nearest in length, of two the shorter
};

/// Words of tokenize_13a. An order without a match counts as half a match, the next as a quarter, and so on
/// (mteval's smoothing); a corpus without any match has 0.
Bleu corpus_bleu(std::span<const WordInstance> instances);

}  // namespace lorry::score
