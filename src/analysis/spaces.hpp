// analysis/spaces.hpp: the directions of one update as orthonormal bases of its input and output side and
// small rotations within them, for this folder's sources alone. Tall matrices are orthogonalised once; all
// that follows is of the size of the rank.
#pragma once
#include "analysis/basis.hpp"
#include "analysis/decomposition.hpp"

namespace lorry::analysis {

/// Directions basis * rotation in the order of their singular values, those of rounding noise left out.
struct Directions {
  Vector sigma = {};             // [p], descending
  Dense rotation = {};           // [columns of the basis, p], orthonormal columns
  std::vector<Index> ties = {};  // near_ties of the precision that they were computed in; p itself too, where
                                 // it is followed by a direction that was left out

  [[nodiscard]] Index count() const { return sigma.size(); }
};

/// What is wanted of an update: each part costs.
enum class Parts {
  kValues,      // singular values of ΔW
  kDirections,  // and its directions
  kFactors,     // and those of A and B
};

struct Spaces {
  Basis inputs = {};   // I dimensions: holds the row spaces of A and of ΔW
  Basis outputs = {};  // O dimensions: holds the column spaces of B and of ΔW
  bool factored = false;
  Directions a = {};            // right-singular directions of A, in `inputs`; Parts::kFactors, factored only
  Directions b = {};            // left-singular directions of B, in `outputs`; likewise
  Directions row = {};          // right-singular directions of ΔW, in `inputs`
  Directions column = {};       // left-singular directions of ΔW, in `outputs`; the same sigma
  double frobenius_norm = 0.0;  // of the whole ΔW
  bool complete = true;
  bool exact = true;      // false: by iteration, with products in float32
  double residual = 0.0;  // see Decomposition
  std::string note = {};  // a word for an update without directions ("ΔW is zero (B = 0)"); else empty

  [[nodiscard]] Index rank() const { return row.count(); }
  [[nodiscard]] Coverage coverage() const;
  /// The first r left or right directions of ΔW as columns.
  [[nodiscard]] Dense left(Index r) const { return outputs.times(column.rotation.leftCols(r)); }
  [[nodiscard]] Dense right(Index r) const { return inputs.times(row.rotation.leftCols(r)); }
};

/// Takes the update over: a large difference goes as soon as it is rounded.
Spaces spaces_of(Update update, Parts parts, const DecompositionOptions& options = {});

}  // namespace lorry::analysis
