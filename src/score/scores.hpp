// score/scores.hpp: every metric of a set of texts.
#pragma once
#include <span>

#include "core/index.hpp"
#include "score/bleu.hpp"
#include "score/instances.hpp"
#include "score/nist.hpp"

namespace lorry::score {

struct Scores {
  Index instances = 0;
  Index references = 0;
  Bleu bleu;
  Nist nist;
  double meteor = 0;   // 0 to 1
  double rouge_l = 0;  // 0 to 1
  double cider = 0;    // 0 to 10
};

/// At least one instance. case_sensitive: BLEU and NIST distinguish case; the others never do.
Scores score_all(std::span<const Instance> instances, bool case_sensitive);

}  // namespace lorry::score
