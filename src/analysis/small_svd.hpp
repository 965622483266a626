// analysis/small_svd.hpp: float64 decompositions that everything in this folder stands on. Sources alone.
#pragma once
#include "analysis/eigen_matrix.hpp"

namespace lorry::analysis {

/// m = left diag(sigma) right^T, sigma descending.
struct Svd {
  Dense left;    // [rows, min]
  Vector sigma;  // [min]
  Dense right;   // [cols, min]
};

/// Of any shape; a far side is first reduced by QR.
Svd svd(const Dense& matrix);
/// The singular values alone; left and right stay empty.
Svd svd_values(const Dense& matrix);

/// matrix = q r with q [n, min(n, k)] orthonormal and r [min(n, k), k] upper trapezoidal (Householder).
struct Qr {
  Dense q;
  Dense r;
};
Qr qr(const Dense& matrix);

/// How many leading values exceed `tolerance`.
Index count_above(const Vector& sigma, double tolerance);

}  // namespace lorry::analysis
