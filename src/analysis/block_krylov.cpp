#include "analysis/block_krylov.hpp"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>

#include "analysis/small_svd.hpp"
#include "analysis/subspace.hpp"
#include "analysis/top_eigenpairs.hpp"

namespace lorry::analysis {

namespace {

// Vectors per pass over W. Fewer need fewer products in all, but below this the kernel reads W for too
// little.
constexpr Index kBlock = 16;
constexpr double kRounding = 1e-6;  // of float32 products, beside their largest result
constexpr double kTiny = 1e-300;    // where nothing is left, nothing is divided by 0

/// As qr(), where the columns are long and few and none of them is nearly among the others: R is the Cholesky
/// factor of their Gram matrix, which costs less and loses what the square of their condition number takes of
/// float64; else by reflections.
Qr qr_of_block(const DenseF& columns) {
  constexpr double kIndependent = 1e-3;
  const Dense wide = columns.cast<double>();
  const Eigen::LLT<Dense> cholesky(wide.transpose() * wide);
  const Dense r = cholesky.matrixU();
  const auto lengths = r.diagonal().cwiseAbs();
  if (cholesky.info() != Eigen::Success || lengths.minCoeff() < kIndependent * lengths.maxCoeff()) {
    return qr(wide);
  }
  return {r.triangularView<Eigen::Upper>().solve<Eigen::OnTheRight>(wide), r};
}

}  // namespace

void BlockKrylov::Columns::append(const DenseF& columns) {
  const Index wanted = count + columns.cols();
  if (wanted > room.cols()) room.conservativeResize(columns.rows(), std::max(wanted, 2 * room.cols()));
  room.middleCols(count, columns.cols()) = columns;
  count = wanted;
}

BlockKrylov::BlockKrylov(WeightMatrix& weight, std::uint64_t seed)
    : weight_(weight),
      on_inputs_(weight.inputs() <= weight.outputs()),
      n_(std::min(weight.inputs(), weight.outputs())),
      block_(random_frame(n_, std::min(kBlock, n_), seed, 0).cast<float>()) {}

void BlockKrylov::extend() {
  const Index begin = size();
  const Index b = block_.cols();
  basis_.append(block_);
  const DenseF images = image(block_);
  images_.append(images);
  DenseF next = back(images);
  // What the basis holds of M block are the next columns of the projected matrix. Nearly all of it lies in
  // the last two blocks. They are taken out first: subtracted together with the others, their size would
  // multiply the small errors of orthogonality that the basis has, step by step.
  const double before = next.cast<double>().colwise().norm().maxCoeff();
  Dense columns = Dense::Zero(begin + b, b);
  const Index last_two = std::min(begin + b, 2 * b);
  columns.bottomRows(last_two) += remove_basis(next, begin + b - last_two);
  columns += remove_basis(next, 0);
  Qr parts = qr_of_block(next);
  // Where little was left, scaling it up to length 1 has scaled up what rounding left of the basis too: once
  // more, until little of it is found. A matrix of low rank leaves nothing but rounding.
  const Dense lengths = parts.r.colwise().norm();
  longest_ = std::max(longest_, before);
  exhausted_ = lengths.maxCoeff() <= kRounding * longest_;
  constexpr double kLittle = 1e-2;
  constexpr int kMostTimes = 4;
  double least = parts.r.diagonal().cwiseAbs().minCoeff() / std::max(before, kTiny);
  for (int times = 0; least < kLittle && times < kMostTimes; ++times) {
    next = parts.q.cast<float>();
    columns += remove_basis(next, 0) * parts.r;
    const Qr again = qr_of_block(next);
    least = again.r.diagonal().cwiseAbs().minCoeff();
    parts = {again.q, again.r * parts.r};
  }
  block_ = parts.q.cast<float>();
  projected_.conservativeResizeLike(DenseF::Zero(begin + b, begin + b));
  projected_.rightCols(b) = columns.cast<float>();
  projected_.bottomRows(b) = projected_.rightCols(b).transpose().eval();
}

double BlockKrylov::captured(Index k) const {
  return std::sqrt(std::max(0.0, top_eigenvalues(projected_, k).sum()));
}

TopDirections BlockKrylov::best(Index k) {
  const DenseF top = top_eigenpairs(projected_, k).vectors;
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
  const Index count = size() - first;
  const ConstMatrixView basis = basis_.transposed().row_range(first, count);
  Matrix part(count, x.cols());
  weight_.ops().low_rank_project(basis, transposed_view(x), -1.0F, part);
  weight_.ops().low_rank_outer_add(part, basis, transposed_view(x));
  using RowMajorF = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  return -Eigen::Map<const RowMajorF>(part.row<float>(0), part.rows(), part.cols()).cast<double>();
}

DenseF BlockKrylov::combine(const Columns& columns, const DenseF& weights) {
  DenseF result(columns.room.rows(), weights.cols());
  weight_.ops().matmul(transposed_view(weights), columns.transposed(), transposed_view(result), {});
  return result;
}

}  // namespace lorry::analysis
