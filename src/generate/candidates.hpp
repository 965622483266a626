// generate/candidates.hpp: the tokens that may come next, and the filters that leave fewer of them.
#pragma once
#include <cstdint>
#include <vector>

#include "core/index.hpp"

namespace lorry::generate {

struct Candidate {
  double weight;  // probability but for a factor
  std::int32_t id;
};

/// The k heaviest, and those tied with the k-th. k 0: all.
void keep_top_k(std::vector<Candidate>& candidates, Index k);
/// The fewest of the heaviest that together have at least the share `p` of all weight (Holtzman et al. 2020).
void keep_top_p(std::vector<Candidate>& candidates, float p);
/// Those of at least `p` times the heaviest's weight (Nguyen et al. 2024). p 0: all.
void keep_min_p(std::vector<Candidate>& candidates, float p);

}  // namespace lorry::generate
