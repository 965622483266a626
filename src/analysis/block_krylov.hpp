// analysis/block_krylov.hpp: the Krylov space of W^T W from a random block, and its best directions, for this
// folder's sources alone. Method: docs/math/subspaces.md.
#pragma once
#include <cstdint>

#include "analysis/top_directions.hpp"

namespace lorry::analysis {

/// Block Lanczos on M = W^T W, or W W^T where that is smaller, fully reorthogonalised. Products and basis are
/// float32, what comes out is orthogonalised and rotated in float64. Legend: n the smaller side of W, K
/// vectors in the basis, b in a block.
class BlockKrylov {
 public:
  /// Borrows `weight`.
  BlockKrylov(WeightMatrix& weight, std::uint64_t seed);

  [[nodiscard]] Index size() const { return basis_.cols(); }
  [[nodiscard]] Index next_size() const { return basis_.cols() + block_.cols(); }

  /// Adds the current block to the basis and finds the next.
  void extend();
  /// sqrt(σ_1^2 + ... + σ_k^2) of what the basis holds of W's top k; grows towards W's own with every block.
  [[nodiscard]] double captured(Index k) const;
  /// The k best directions of the basis, by Rayleigh-Ritz.
  TopDirections best(Index k);

 private:
  /// From the smaller side to the larger one, and back: M x = back(image(x)).
  DenseF image(const DenseF& x) { return on_inputs_ ? weight_.times(x) : weight_.transposed_times(x); }
  DenseF back(const DenseF& y) { return on_inputs_ ? weight_.transposed_times(y) : weight_.times(y); }
  /// Takes the basis from vector `first` on out of x [n,b]; returns what there was of it [K - first,b].
  Dense remove_basis(DenseF& x, Index first);
  DenseF combine(const DenseF& columns, const DenseF& weights);

  WeightMatrix& weight_;
  bool on_inputs_;
  Index n_;
  DenseF block_;      // [n,b] orthonormal, orthogonal to the basis
  DenseF basis_;      // [n,K] orthonormal
  DenseF images_;     // [the larger side,K]: W or W^T times the basis
  DenseF projected_;  // [K,K]: basis^T M basis
};

}  // namespace lorry::analysis
