#include "analysis/block_krylov.hpp"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>

#include "analysis/small_svd.hpp"
#include "analysis/subspace.hpp"

namespace lorry::analysis {

namespace {

// Vectors per pass over W. Fewer need fewer products in all, but below this the kernel reads W for too
// little.
constexpr Index kBlock = 16;
constexpr double kTiny = 1e-300;  // where nothing is left, nothing is divided by 0

void append(DenseF& to, const DenseF& columns) {
  to.conservativeResize(columns.rows(), to.cols() + columns.cols());
  to.rightCols(columns.cols()) = columns;
}

}  // namespace

BlockKrylov::BlockKrylov(WeightMatrix& weight, std::uint64_t seed)
    : weight_(weight),
      on_inputs_(weight.inputs() <= weight.outputs()),
      n_(std::min(weight.inputs(), weight.outputs())),
      block_(random_frame(n_, std::min(kBlock, n_), seed, 0).cast<float>()) {}

void BlockKrylov::extend() {
  const Index begin = basis_.cols();
  const Index b = block_.cols();
  append(basis_, block_);
  append(images_, image(block_));
  DenseF next = back(images_.rightCols(b));
  // What the basis holds of M block are the next columns of the projected matrix. Nearly all of it lies in
  // the last two blocks. They are taken out first: subtracted together with the others, their size would
  // multiply the small errors of orthogonality that the basis has, step by step.
  const double before = next.cast<double>().colwise().norm().maxCoeff();
  Dense columns = Dense::Zero(begin + b, b);
  const Index last_two = std::min(begin + b, 2 * b);
  columns.bottomRows(last_two) += remove_basis(next, begin + b - last_two);
  columns += remove_basis(next, 0);
  Qr parts = qr(next.cast<double>());
  // Where little was left, scaling it up to length 1 has scaled up what rounding left of the basis too: once
  // more, until little of it is found. A matrix of low rank leaves nothing but rounding.
  constexpr double kLittle = 1e-2;
  constexpr int kMostTimes = 4;
  double least = parts.r.diagonal().cwiseAbs().minCoeff() / std::max(before, kTiny);
  for (int times = 0; least < kLittle && times < kMostTimes; ++times) {
    next = parts.q.cast<float>();
    columns += remove_basis(next, 0) * parts.r;
    const Qr again = qr(next.cast<double>());
    least = again.r.diagonal().cwiseAbs().minCoeff();
    parts = {again.q, again.r * parts.r};
  }
  block_ = parts.q.cast<float>();
  projected_.conservativeResizeLike(DenseF::Zero(begin + b, begin + b));
  projected_.rightCols(b) = columns.cast<float>();
  projected_.bottomRows(b) = projected_.rightCols(b).transpose().eval();
}

double BlockKrylov::captured(Index k) const {
  // Float32, as the numbers in it are; only the sum is wanted.
  const Eigen::SelfAdjointEigenSolver<DenseF> solver(projected_, Eigen::EigenvaluesOnly);
  const Dense top = solver.eigenvalues().tail(std::min(k, size())).cast<double>();
  return std::sqrt(std::max(0.0, top.sum()));
}

TopDirections BlockKrylov::best(Index k) {
  const Eigen::SelfAdjointEigenSolver<DenseF> solver(projected_);
  const DenseF top = solver.eigenvectors().rightCols(std::min(k, size()));
  // The combinations are orthonormal up to float32, which QR makes exact; W times them is known but for that.
  const Qr near = qr(combine(basis_, top).cast<double>());
  const Svd parts = svd(near.r.triangularView<Eigen::Upper>().template solve<Eigen::OnTheRight>(
      combine(images_, top).cast<double>()));
  TopDirections found{
      .sigma = parts.sigma, .left = parts.left, .right = near.q * parts.right, .exact = false};
  const Dense off = back(found.left.cast<float>()).cast<double>() - found.right * found.sigma.asDiagonal();
  found.residuals = Vector::Zero(found.sigma.size());
  if (found.sigma[0] > 0) found.residuals = off.colwise().norm().transpose() / found.sigma[0];
  found.residual = found.residuals.maxCoeff();
  if (!on_inputs_) std::swap(found.left, found.right);
  return found;
}

Dense BlockKrylov::remove_basis(DenseF& x, Index first) {
  const Index count = basis_.cols() - first;
  const ConstMatrixView basis = transposed_view(basis_).row_range(first, count);
  Matrix part(count, x.cols());
  weight_.ops().low_rank_project(basis, transposed_view(x), -1.0F, part);
  weight_.ops().low_rank_outer_add(part, basis, transposed_view(x));
  using RowMajorF = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  return -Eigen::Map<const RowMajorF>(part.row<float>(0), part.rows(), part.cols()).cast<double>();
}

DenseF BlockKrylov::combine(const DenseF& columns, const DenseF& weights) {
  DenseF result(columns.rows(), weights.cols());
  weight_.ops().matmul(transposed_view(weights), transposed_view(columns), transposed_view(result), {});
  return result;
}

}  // namespace lorry::analysis
