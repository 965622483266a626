#include "analysis/basis.hpp"

#include <Eigen/QR>
#include <algorithm>

namespace lorry::analysis {

Basis Basis::of(Dense tall, Dense& triangle) {
  const Index k = std::min(tall.rows(), tall.cols());
  // HouseholderQR's own blocks are 48 columns wide, of which a 7B model's outgrow the cache, and inside a
  // block every reflection passes over all of it.
  constexpr Index kBlock = 8;
  Vector coefficients(k);
  Eigen::internal::householder_qr_inplace_blocked<Dense, Vector>::run(tall, coefficients, kBlock);
  triangle = tall.topRows(k).triangularView<Eigen::Upper>();
  Basis basis(tall.cols() == k ? std::move(tall) : Dense(tall.leftCols(k)));
  basis.coefficients_ = std::move(coefficients);
  return basis;
}

Dense Basis::times(const Dense& x) const {
  if (coefficients_.size() == 0) return columns_ * x;
  Dense result = Dense::Zero(columns_.rows(), x.cols());
  result.topRows(size()) = x;
  result.applyOnTheLeft(Eigen::householderSequence(columns_, coefficients_));
  return result;
}

Dense Basis::overlaps(const Basis& other) const {
  if (other.size() > size()) return other.overlaps(*this).transpose();  // the smaller one is formed
  Dense formed = other.times(Dense::Identity(other.size(), other.size()));
  if (coefficients_.size() == 0) return columns_.transpose() * formed;
  formed.applyOnTheLeft(Eigen::householderSequence(columns_, coefficients_).adjoint());
  return formed.topRows(size());
}

}  // namespace lorry::analysis
