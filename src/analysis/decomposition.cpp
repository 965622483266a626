#include "analysis/decomposition.hpp"

#include <algorithm>

#include "analysis/spaces.hpp"

namespace lorry::analysis {

Decomposition decompose(const Update& update, const DecompositionOptions& options) {
  const Spaces spaces = spaces_of(update, Parts::kDirections, options);
  return {.singular_values = to_list(spaces.row.sigma),
          .left = to_grid(spaces.left(spaces.rank())),
          .right = to_grid(spaces.right(spaces.rank())),
          .frobenius_norm = spaces.frobenius_norm,
          .complete = spaces.complete,
          .residual = spaces.residual};
}

std::vector<Index> near_ties(const std::vector<double>& singular_values, const std::vector<double>& errors) {
  LORRY_CHECK(errors.empty() || errors.size() >= singular_values.size());
  // An error of e σ_1 turns the leading subspace by some e σ_1 / gap (Wedin 1972): with e = ε by more than
  // 1e-8 below the first gap, with a larger e by more than 1e-2 below the second.
  constexpr double kExactGap = 1e-8;
  constexpr double kErrors = 100.0;
  double gap = errors.empty() ? kExactGap : 0.0;
  std::vector<Index> ties;
  for (std::size_t i = 1; i < singular_values.size(); ++i) {
    if (!errors.empty()) gap = std::max(gap, kErrors * errors[i - 1]);
    if (singular_values[i - 1] - singular_values[i] < gap * singular_values[0]) {
      ties.push_back(static_cast<Index>(i));
    }
  }
  return ties;
}

}  // namespace lorry::analysis
