// analysis/spaces.hpp: the directions of one update as orthonormal bases of its input and output side and
// small rotations within them, for this folder's sources alone. Tall matrices are orthogonalised once; all
// that follows is of the size of the rank.
#pragma once
#include "analysis/decomposition.hpp"
#include "analysis/eigen_matrix.hpp"

namespace lorry::analysis {

/// Directions basis * rotation in the order of their singular values, those of rounding noise left out.
struct Directions {
  Dense rotation = {};  // [columns of the basis, p], orthonormal columns
  Vector sigma = {};    // [p], descending
};

/// Legend: I inputs, O outputs, ki <= min(I, R) and ko <= min(O, R) columns of the bases.
struct Spaces {
  Dense inputs = {};   // [I,ki] orthonormal: holds the row spaces of A and of ΔW
  Dense outputs = {};  // [O,ko] orthonormal: holds the column spaces of B and of ΔW
  bool factored = false;
  Directions a = {};            // right-singular directions of A, in `inputs`; empty unless factored
  Directions b = {};            // left-singular directions of B, in `outputs`; empty unless factored
  Directions row = {};          // right-singular directions of ΔW, in `inputs`
  Directions column = {};       // left-singular directions of ΔW, in `outputs`; the same sigma
  double frobenius_norm = 0.0;  // of the whole ΔW
  bool complete = true;
  double residual = 0.0;  // see Decomposition
};

Spaces spaces_of(const Update& update, const DecompositionOptions& options = {});

/// A word for an update without directions ("ΔW is zero (B = 0)"); else empty.
std::string zero_note(const Spaces& spaces);

}  // namespace lorry::analysis
