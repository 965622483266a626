#include "analysis/top_directions.hpp"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>

#include "analysis/small_svd.hpp"
#include "analysis/subspace.hpp"

namespace lorry::analysis {

namespace {

constexpr Index kBlock = 32;  // vectors per pass: enough to be worth reading W for

/// Block Lanczos on M = W^T W (or W W^T, whichever is smaller) with full reorthogonalisation. n: the smaller
/// side.
class BlockKrylov {
 public:
  BlockKrylov(WeightMatrix& weight, std::uint64_t seed)
      : weight_(weight),
        on_inputs_(weight.inputs() <= weight.outputs()),
        n_(std::min(weight.inputs(), weight.outputs())),
        block_(random_frame(n_, std::min(kBlock, n_), seed, 0).cast<float>()) {}

  [[nodiscard]] Index size() const { return basis_.cols(); }
  [[nodiscard]] Index next_size() const { return basis_.cols() + block_.cols(); }

  /// Adds the current block to the basis and finds the next.
  void extend() {
    const Index begin = basis_.cols();
    const Index b = block_.cols();
    basis_.conservativeResize(n_, begin + b);
    basis_.rightCols(b) = block_;
    const DenseF image = forward(block_);
    DenseF next = backward(image);
    // Projections of M block on the basis are the next columns of the projected matrix.
    Dense columns = Dense::Zero(begin + b, b);
    for (int pass = 0; pass < 2; ++pass) columns += remove_basis(next);
    projected_.conservativeResizeLike(Dense::Zero(begin + b, begin + b));
    projected_.rightCols(b) = columns;
    projected_.bottomRows(b) = columns.transpose();
    block_ = qr(next.cast<double>()).q.cast<float>();
    remove_basis(block_);  // what is left of a small remainder after scaling it up need not be orthogonal
    block_ = qr(block_.cast<double>()).q.cast<float>();
  }

  /// Largest eigenvalues of the projected matrix: squares of approximate singular values, descending.
  [[nodiscard]] Vector values(Index k) const {
    const Eigen::SelfAdjointEigenSolver<Dense> solver(projected_, Eigen::EigenvaluesOnly);
    return solver.eigenvalues().reverse().head(std::min(k, size()));
  }

  /// The k approximate singular directions on the smaller side, orthonormal.
  [[nodiscard]] Dense vectors(Index k) const {
    const Eigen::SelfAdjointEigenSolver<Dense> solver(projected_);
    const DenseF top = solver.eigenvectors().rightCols(std::min(k, size())).rowwise().reverse().cast<float>();
    DenseF product(n_, top.cols());
    weight_.ops().matmul(transposed_view(top), transposed_view(basis_), transposed_view(product), {});
    return qr(product.cast<double>()).q;
  }

  DenseF forward(const DenseF& x) { return on_inputs_ ? weight_.times(x) : weight_.transposed_times(x); }
  DenseF backward(const DenseF& y) { return on_inputs_ ? weight_.transposed_times(y) : weight_.times(y); }
  [[nodiscard]] bool on_inputs() const { return on_inputs_; }

 private:
  /// Takes the basis out of x [n,b]; returns what there was of it.
  Dense remove_basis(DenseF& x) {
    DenseF part(basis_.cols(), x.cols());
    weight_.ops().matmul(transposed_view(x), transposed_view(basis_), transposed_view(part),
                         {.transpose_b = true});
    const DenseF negative = -part;
    weight_.ops().matmul(transposed_view(negative), transposed_view(basis_), transposed_view(x),
                         {.accumulate = true});
    return part.cast<double>();
  }

  WeightMatrix& weight_;
  bool on_inputs_;
  Index n_;
  DenseF block_;     // [n,b] orthonormal, orthogonal to the basis
  DenseF basis_;     // [n,K]
  Dense projected_;  // [K,K] basis^T M basis
};

TopDirections exact_directions(const WeightMatrix& weight, Index k) {
  const Svd whole = svd(weight.in_double());
  const Index count = std::min<Index>(k, whole.sigma.size());
  return {whole.sigma.head(count), whole.left.leftCols(count), whole.right.leftCols(count)};
}

}  // namespace

TopDirections top_directions(WeightMatrix& weight, Index k, const TopOptions& options) {
  const Index side = std::min(weight.inputs(), weight.outputs());
  if (side <= options.full_side || 4 * k >= side) return exact_directions(weight, k);
  const Index checked = options.checked > 0 ? std::min(options.checked, k) : k;
  BlockKrylov krylov(weight, options.seed);
  double before = 0;
  double change_before = 0;
  while (krylov.next_size() < side) {
    krylov.extend();
    if (krylov.size() < 2 * k) continue;
    const double now = std::sqrt(krylov.values(checked).sum());
    const double change = (now - before) / now;
    const double rate = change_before > 0 ? change / change_before : 1.0;
    if (before > 0 && (change <= 0 || (rate < 1 && change * rate / (1 - rate) < options.tolerance))) break;
    before = now;
    change_before = change;
  }
  const Dense directions = krylov.vectors(k);
  const Svd image =
      svd(krylov.forward(directions.cast<float>()).cast<double>());  // Rayleigh-Ritz, in float64
  TopDirections result{image.sigma, image.left, directions * image.right, false};
  const Dense back = krylov.backward(result.left.cast<float>()).cast<double>();
  for (Index i = 0; i < checked; ++i) {
    const double off = (back.col(i) - result.sigma[i] * result.right.col(i)).norm();
    result.residual = std::max(result.residual, off / std::max(result.sigma[0], 1e-300));
  }
  if (!krylov.on_inputs()) std::swap(result.left, result.right);
  return result;
}

}  // namespace lorry::analysis
