// analysis/decomposition.hpp: the singular value decomposition of one ΔW, up to its numerical rank.
//
// From factors: QR of B and of A^T, then the SVD of the small core, so that nothing of size O x I is formed.
// A difference is decomposed whole while its smaller side is small, and else by its top directions only.
// Method and accuracy: docs/math/subspaces.md.
#pragma once
#include "analysis/update.hpp"

namespace lorry::analysis {

/// ΔW = U diag(σ) V^T without the directions whose σ is rounding noise: σ_i > max(O, I) ε σ_1 for the kept
/// ones (ε of float64: the rule of numpy's matrix_rank), and σ_i > 1e-6 ‖ΔW‖_F for those of a large
/// difference, whose products are float32.
struct Decomposition {
  std::vector<double> singular_values = {};  // descending, p of them
  Grid left = {};                            // U [O,p]
  Grid right = {};                           // V [I,p]
  double frobenius_norm = 0.0;               // of the whole ΔW
  bool complete = true;   // false: ΔW has more directions than these p, which are its top ones
  double residual = 0.0;  // max over i of ‖ΔW^T u_i - σ_i v_i‖ / σ_1 where not complete; 0 where exact

  [[nodiscard]] Index rank() const noexcept { return static_cast<Index>(singular_values.size()); }
};

struct DecompositionOptions {
  Index full_side = 1024;  // differences up to this smaller side are decomposed whole
  Index top = 128;         // directions of larger ones
};

/// B = 0 or an unchanged weight gives rank 0, without directions.
Decomposition decompose(const Update& update, const DecompositionOptions& options = {});

/// Positions i (counted from 1, i < p) after which the leading subspace is not determined: σ_i and σ_{i+1}
/// differ by so little that rounding decides where the directions point, and φ(i, ·) means nothing there.
/// `errors`, one per direction: what its computation left of it, ‖ΔW^T u_i - σ_i v_i‖ / σ_1; the gap must
/// then exceed 100 times the largest of the first i. Empty: directions of float64, whose gap must exceed 1e-8
/// σ_1.
std::vector<Index> near_ties(const std::vector<double>& singular_values,
                             const std::vector<double>& errors = {});

}  // namespace lorry::analysis
