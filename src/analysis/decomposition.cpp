#include "analysis/decomposition.hpp"

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

std::vector<Index> near_ties(const std::vector<double>& singular_values) {
  // Rounding moves a direction by some ε σ_1 / gap (Wedin 1972), which below this would exceed 1e-8.
  constexpr double kRelativeGap = 1e-8;
  std::vector<Index> ties;
  for (std::size_t i = 1; i < singular_values.size(); ++i) {
    if (singular_values[i - 1] - singular_values[i] < kRelativeGap * singular_values[0]) {
      ties.push_back(static_cast<Index>(i));
    }
  }
  return ties;
}

}  // namespace lorry::analysis
