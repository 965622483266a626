// analysis/top_directions.hpp: the largest singular values and directions of a W or a large ΔW, for this
// folder's sources alone. Method and accuracy: docs/math/subspaces.md.
#pragma once
#include <cstdint>

#include "analysis/weight_matrix.hpp"

namespace lorry::analysis {

struct TopDirections {
  Vector sigma = {};  // [k], descending
  Dense left = {};    // [O,k]
  Dense right = {};   // [I,k]
  bool exact = true;
  Vector residuals = {};  // [k], one per direction; empty where exact
  double residual = 0.0;  // the largest: max over i of ‖W^T u_i - σ_i v_i‖ / σ_1 (or ‖W v_i - σ_i u_i‖, where
                          // that is the larger one; the other is rounding); 0 where exact
};

struct TopOptions {
  Index full_side = 512;    // smaller sides up to this: SVD in float64
  double tolerance = 3e-5;  // relative, of sqrt(σ_1^2 + ... + σ_k^2): stop where no more than this is to gain
  std::uint64_t seed = 1;
};

/// Whether k directions of a W of this smaller side are taken from a full SVD.
bool decomposed_whole(Index side, Index k, const TopOptions& options = {});

/// k directions (fewer where W has fewer), by a full SVD where W is small or k is a large part of it, else by
/// block Krylov iteration on W^T W (Golub, Luk & Overton 1981; Musco & Musco 2015).
TopDirections top_directions(WeightMatrix& weight, Index k, const TopOptions& options = {});

}  // namespace lorry::analysis
