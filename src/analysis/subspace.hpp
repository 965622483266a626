// analysis/subspace.hpp: φ and random frames on Eigen matrices, for this folder's sources alone.
#pragma once
#include <cstdint>

#include "analysis/eigen_matrix.hpp"

namespace lorry::analysis {

/// φ(i, j) for all i, j from overlaps [p, q] = U_1^T U_2 of two orthonormal sets of directions:
/// the sum of squares of the leading i x j block, over min(i, j).
Grid phi_grid(const Dense& overlaps);

/// [dimension, count] orthonormal columns, uniform on the Stiefel manifold: QR of a Gaussian matrix, which
/// has the same distribution as its singular vectors. Depends on (seed, stream) alone. count <= dimension.
Dense random_frame(Index dimension, Index count, std::uint64_t seed, std::uint64_t stream);

/// Mean and standard deviation (n - 1; 0 of one value).
struct MeanSpread {
  double mean = 0.0;
  double spread = 0.0;
};
MeanSpread mean_spread(const std::vector<double>& values);

}  // namespace lorry::analysis
