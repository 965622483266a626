// analysis/top_eigenpairs.hpp: the ends of symmetric spectra, for this folder's sources alone.
#pragma once
#include "analysis/eigen_matrix.hpp"

namespace lorry::analysis {

/// The min(k, n) largest eigenvalues of `symmetric` [n,n], ascending, as exact as its float32.
Vector top_eigenvalues(const DenseF& symmetric, Index k);

struct Eigenpairs {
  Vector values;   // [k] ascending
  DenseF vectors;  // [n,k], orthonormal to float32
};

/// Those and their vectors, without the vectors of the others: of the tridiagonal form by inverse iteration
/// (Parlett, The Symmetric Eigenvalue Problem, 1998, sec. 4.2 and 7.4).
Eigenpairs top_eigenpairs(const DenseF& symmetric, Index k);

}  // namespace lorry::analysis
