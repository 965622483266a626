// analysis/basis.hpp: orthonormal directions of one side of an update, for this folder's sources alone.
#pragma once
#include "analysis/eigen_matrix.hpp"

namespace lorry::analysis {

/// Q [n,k] with orthonormal columns. After a QR it is kept as the Householder reflections that make it: most
/// uses need few combinations of its columns, and forming all of them costs more than the QR itself.
class Basis {
 public:
  /// No directions.
  Basis() = default;
  /// Takes columns that are orthonormal already.
  explicit Basis(Dense orthonormal) : columns_(std::move(orthonormal)) {}
  /// tall [n,m] = Q triangle, with Q [n,k], triangle [k,m], k = min(n, m).
  static Basis of(Dense tall, Dense& triangle);

  [[nodiscard]] Index size() const noexcept { return columns_.cols(); }  // k
  /// Q x [n,c] for x [k,c].
  [[nodiscard]] Dense times(const Dense& x) const;
  /// Q^T other.Q [k, other.k].
  [[nodiscard]] Dense overlaps(const Basis& other) const;

 private:
  Dense columns_;        // [n,k]: Q itself, or the reflections below the diagonal
  Vector coefficients_;  // [k] of the reflections; empty: columns_ is Q
};

}  // namespace lorry::analysis
