// score/nist.hpp: the NIST score (Doddington 2002) of a corpus.
#pragma once
#include <span>

#include "score/instances.hpp"

namespace lorry::score {

/// The two differ with several references; both weigh an n-gram, up to n = 5, by
/// log2(count of its first n-1 words / its count) over all references, and punish short texts so that 2/3 of
/// the reference length halves the score.
struct Nist {
  /// mteval-v13a.pl: an n-gram counts as often as one reference has it, whichever that is; the reference
  /// length is the mean of an instance's. What papers on E2E report.
  double mteval = 0;
  /// NLTK's corpus_nist: for each instance and n the one reference that gives most counts, with its length.
  double best_reference = 0;
};

/// Words of tokenize_13a.
Nist corpus_nist(std::span<const WordInstance> instances);

}  // namespace lorry::score
