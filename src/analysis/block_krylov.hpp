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

  [[nodiscard]] Index size() const { return basis_.count; }
  [[nodiscard]] Index next_size() const { return basis_.count + block_.cols(); }

  /// Whether what M leaves outside of the basis is rounding: further vectors would be too.
  [[nodiscard]] bool exhausted() const { return exhausted_; }

  /// Adds the current block to the basis and finds the next.
  void extend();
  /// sqrt(σ_1^2 + ... + σ_k^2) of what the basis holds of W's top k; grows towards W's own with every block.
  [[nodiscard]] double captured(Index k) const;
  /// The k best directions of the basis, by Rayleigh-Ritz.
  TopDirections best(Index k);

 private:
  /// Columns that others join, with room for some of them.
  struct Columns {
    DenseF room;
    Index count = 0;

    void append(const DenseF& columns);
    [[nodiscard]] ConstMatrixView transposed() const { return transposed_view(room).row_range(0, count); }
  };

  /// From the smaller side to the larger one, and back: M x = back(image(x)).
  DenseF image(const DenseF& x) { return on_inputs_ ? weight_.times(x) : weight_.transposed_times(x); }
  DenseF back(const DenseF& y) { return on_inputs_ ? weight_.transposed_times(y) : weight_.times(y); }
  /// Takes the basis from vector `first` on out of x [n,b]; returns what there was of it [K - first,b].
  Dense remove_basis(DenseF& x, Index first);
  /// Its columns, weighted: [n,K] [K,k].
  DenseF combine(const Columns& columns, const DenseF& weights);

  WeightMatrix& weight_;
  bool on_inputs_;
  Index n_;
  DenseF block_;          // [n,b] orthonormal, orthogonal to the basis
  Columns basis_;         // [n,K] orthonormal
  Columns images_;        // [the larger side,K]: W or W^T times the basis
  DenseF projected_;      // [K,K]: basis^T M basis
  double longest_ = 0.0;  // column of M block so far
  bool exhausted_ = false;
};

}  // namespace lorry::analysis
