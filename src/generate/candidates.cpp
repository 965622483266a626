#include "generate/candidates.hpp"

#include <algorithm>

namespace lorry::generate {

void keep_top_k(std::vector<Candidate>& candidates, Index k) {
  if (k == 0 || k >= static_cast<Index>(candidates.size())) return;
  std::vector<Candidate> ranked = candidates;
  const auto kth = ranked.begin() + (k - 1);
  std::nth_element(ranked.begin(), kth, ranked.end(),
                   [](const Candidate& a, const Candidate& b) { return a.weight > b.weight; });
  std::erase_if(candidates, [&](const Candidate& candidate) { return candidate.weight < kth->weight; });
}

void keep_top_p(std::vector<Candidate>& candidates, float p) {
  if (p >= 1) return;
  double total = 0;
  for (const Candidate& candidate : candidates) total += candidate.weight;
  // A heap instead of a sort: the few likeliest tokens of a large vocabulary usually have the mass.
  const auto below = [](const Candidate& a, const Candidate& b) {
    return a.weight != b.weight ? a.weight < b.weight : a.id > b.id;
  };
  std::make_heap(candidates.begin(), candidates.end(), below);
  auto end = candidates.end();
  for (double mass = 0; mass < p * total && end != candidates.begin(); --end) {
    std::pop_heap(candidates.begin(), end, below);
    mass += (end - 1)->weight;
  }
  candidates.erase(candidates.begin(), end);
}

void keep_min_p(std::vector<Candidate>& candidates, float p) {
  if (p <= 0) return;
  double heaviest = 0;
  for (const Candidate& candidate : candidates) heaviest = std::max(heaviest, candidate.weight);
  std::erase_if(candidates, [&](const Candidate& candidate) { return candidate.weight < p * heaviest; });
}

}  // namespace lorry::generate
