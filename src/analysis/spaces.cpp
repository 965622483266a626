#include "analysis/spaces.hpp"

#include <algorithm>
#include <limits>

#include "analysis/small_svd.hpp"

namespace lorry::analysis {

namespace {

/// Singular values of noise: those of a matrix of this size and largest value that rounding alone could make.
double noise(Index rows, Index cols, double largest) {
  return static_cast<double>(std::max(rows, cols)) * std::numeric_limits<double>::epsilon() * largest;
}

Directions leading(const Dense& rotation, const Vector& sigma, Index count) {
  return {rotation.leftCols(count), sigma.head(count)};
}

Spaces spaces_of_factors(const Update& update) {
  const auto [outputs, inputs] = std::pair(update.info.outputs, update.info.inputs);
  const Qr a = qr(as_eigen(update.a).transpose());  // A^T = q r
  const Qr b = qr(as_eigen(update.b));              // B = q r
  const Svd a_core = svd(a.r);
  const Svd b_core = svd(b.r);
  const Svd core = svd(update.info.scale * (b.r * a.r.transpose()));  // ΔW = q_b core q_a^T
  Spaces spaces{.inputs = a.q, .outputs = b.q, .factored = true};
  const double largest_a = a_core.sigma[0];
  const double largest_b = b_core.sigma[0];
  spaces.a =
      leading(a_core.left, a_core.sigma, count_above(a_core.sigma, noise(inputs, a.r.cols(), largest_a)));
  spaces.b =
      leading(b_core.left, b_core.sigma, count_above(b_core.sigma, noise(outputs, b.r.cols(), largest_b)));
  // Against the factors, not against σ_1: where B and A cancel, all of ΔW is noise.
  const double largest = std::abs(update.info.scale) * largest_a * largest_b;
  const Index rank = count_above(core.sigma, noise(outputs, inputs, largest));
  spaces.row = leading(core.right, core.sigma, rank);
  spaces.column = leading(core.left, core.sigma, rank);
  spaces.frobenius_norm = spaces.row.sigma.norm();
  return spaces;
}

Spaces spaces_of_difference(const Update& update, const DecompositionOptions& /*options*/) {
  const Svd whole = svd(as_eigen(update.difference));
  const Index rank = count_above(whole.sigma, noise(update.info.outputs, update.info.inputs, whole.sigma[0]));
  Spaces spaces{.inputs = whole.right.leftCols(rank), .outputs = whole.left.leftCols(rank)};
  spaces.row = {Dense::Identity(rank, rank), whole.sigma.head(rank)};
  spaces.column = spaces.row;
  spaces.frobenius_norm = as_eigen(update.difference).norm();
  return spaces;
}

}  // namespace

Spaces spaces_of(const Update& update, const DecompositionOptions& options) {
  return update.info.dense ? spaces_of_difference(update, options) : spaces_of_factors(update);
}

std::string zero_note(const Spaces& spaces) {
  if (spaces.row.sigma.size() > 0) return {};
  if (!spaces.factored) return "ΔW is zero (the weight is unchanged)";
  if (spaces.b.sigma.size() == 0) return "ΔW is zero (B = 0)";
  return spaces.a.sigma.size() == 0 ? "ΔW is zero (A = 0)" : "ΔW is zero (BA = 0)";
}

}  // namespace lorry::analysis
