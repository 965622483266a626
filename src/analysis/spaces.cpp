#include "analysis/spaces.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "analysis/small_svd.hpp"
#include "analysis/top_directions.hpp"

namespace lorry::analysis {

namespace {

/// What rounding alone can make of a singular value of a matrix of this size and norm: numpy's rule for the
/// rank.
double noise(Index rows, Index cols, double norm) {
  return static_cast<double>(std::max(rows, cols)) * std::numeric_limits<double>::epsilon() * norm;
}

/// The first `count` directions, of float64; no rotation where only values were asked for.
Directions leading(const Vector& sigma, const Dense& rotation, Index count) {
  Directions first{.sigma = sigma.head(count),
                   .rotation = rotation.leftCols(std::min(count, rotation.cols()))};
  first.ties = near_ties(to_list(first.sigma));
  return first;
}

/// Left-singular directions of a QR's triangle: those of the tall matrix, within its basis.
Directions directions_of(const Dense& triangle, Index tall_rows) {
  const Svd parts = svd(triangle);
  return leading(parts.sigma, parts.left,
                 count_above(parts.sigma, noise(tall_rows, triangle.cols(), parts.sigma[0])));
}

std::string note_of_factors(const Dense& a, const Dense& b) {
  if (b.isZero(0)) return "ΔW is zero (B = 0)";
  return a.isZero(0) ? "ΔW is zero (A = 0)" : "ΔW is zero (BA = 0)";
}

Spaces spaces_of_factors(const Update& update, Parts parts) {
  const UpdateInfo& info = update.info;
  Dense a;  // triangle of A^T [ki,R]
  Dense b;  // triangle of B [ko,R]
  Spaces spaces;
  spaces.factored = true;
  spaces.inputs = Basis::of(as_eigen(update.a).transpose(), a);
  spaces.outputs = Basis::of(as_eigen(update.b), b);
  if (parts == Parts::kFactors) {
    spaces.a = directions_of(a, info.inputs);
    spaces.b = directions_of(b, info.outputs);
  }
  const Dense core = info.scale * (b * a.transpose());  // ΔW = outputs core inputs^T
  const Svd whole = parts == Parts::kValues ? svd_values(core) : svd(core);
  // Against the factors' norms, not against σ_1: where B and A cancel, all of ΔW is noise.
  const double norm = std::abs(info.scale) * a.norm() * b.norm();
  const Index rank = count_above(whole.sigma, noise(info.outputs, info.inputs, norm));
  spaces.row = leading(whole.sigma, whole.right, rank);
  spaces.column = leading(whole.sigma, whole.left, rank);
  spaces.frobenius_norm = spaces.row.sigma.norm();
  if (rank == 0) spaces.note = note_of_factors(a, b);
  return spaces;
}

/// All directions, in float64.
Spaces spaces_of_small_difference(const Update& update, Parts parts) {
  const Dense difference = as_eigen(update.difference);
  const Svd whole = parts == Parts::kValues ? svd_values(difference) : svd(difference);
  const Index rank = count_above(whole.sigma, noise(update.info.outputs, update.info.inputs, whole.sigma[0]));
  Spaces spaces;
  const bool directions = parts != Parts::kValues;
  spaces.row = leading(whole.sigma, directions ? Dense(Dense::Identity(rank, rank)) : Dense(), rank);
  if (directions) {
    spaces.inputs = Basis(whole.right.leftCols(rank));
    spaces.outputs = Basis(whole.left.leftCols(rank));
  }
  spaces.column = spaces.row;
  spaces.frobenius_norm = difference.norm();
  return spaces;
}

/// The top directions, from products in float32.
Spaces spaces_of_large_difference(Grid difference, Index top) {
  constexpr double kNoise = 1e-6;  // of such products, relative to ‖ΔW‖_F: 16 times the rounding of one
  Spaces spaces;
  spaces.frobenius_norm = as_eigen(difference).norm();
  Matrix rounded(difference.rows, difference.cols);
  std::transform(difference.values.begin(), difference.values.end(), rounded.row<float>(0),
                 [](double x) { return static_cast<float>(x); });
  difference = {};
  const std::unique_ptr<ops::Ops> ops = ops::make_cpu_ops(1);
  WeightMatrix weight(*ops);
  weight.load(rounded, false);
  if (spaces.frobenius_norm == 0.0) return spaces;
  // One more than is kept: it tells whether there are more, and whether the last one kept is tied with it.
  const TopDirections found = top_directions(weight, top + 1);
  const double noise = kNoise * spaces.frobenius_norm;
  const Index rank = count_above(found.sigma, noise);
  const Index kept = std::min(rank, top);
  std::vector<double> errors(static_cast<std::size_t>(rank), 0.0);
  for (Index i = 0; i < rank; ++i) {
    const double residual = found.exact ? 0.0 : found.residuals[i];
    errors[static_cast<std::size_t>(i)] = std::max(residual, noise / found.sigma[0]);
  }
  spaces.inputs = Basis(found.right.leftCols(kept));
  spaces.outputs = Basis(found.left.leftCols(kept));
  spaces.row = {.sigma = found.sigma.head(kept),
                .rotation = Dense::Identity(kept, kept),
                .ties = near_ties(to_list(found.sigma.head(rank)), errors)};
  spaces.column = spaces.row;
  spaces.complete = rank <= top;
  spaces.exact = false;
  spaces.residual = found.residual;
  return spaces;
}

}  // namespace

Coverage Spaces::coverage() const {
  if (complete) return {.directions = rank()};
  const double held = row.sigma.squaredNorm() / (frobenius_norm * frobenius_norm);
  return {.directions = rank(), .energy = std::min(1.0, held), .complete = false};
}

Spaces spaces_of(Update update, Parts parts, const DecompositionOptions& options) {
  if (!update.info.dense) return spaces_of_factors(update, parts);
  const bool small = std::min(update.info.outputs, update.info.inputs) <= options.full_side;
  Spaces spaces = small ? spaces_of_small_difference(update, parts)
                        : spaces_of_large_difference(std::move(update.difference), options.top);
  if (spaces.rank() == 0) spaces.note = "ΔW is zero (the weight is unchanged)";
  return spaces;
}

}  // namespace lorry::analysis
