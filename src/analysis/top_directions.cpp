#include "analysis/top_directions.hpp"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>

#include "analysis/small_svd.hpp"
#include "analysis/subspace.hpp"

namespace lorry::analysis {

namespace {

// Vectors per pass. Fewer need fewer products in all but more passes; and oneDNN's products without AVX-512
// are fastest at multiples of 24 (one thread, F32 [4096,4096]: 24 columns 50 GFLOP/s, 32 columns 39).
constexpr Index kBlock = 24;

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
    append(basis_, block_);
    const DenseF image = on_inputs_ ? weight_.times(block_) : weight_.transposed_times(block_);
    append(images_, image);
    DenseF next = back(image);
    // What the basis holds of M block are the next columns of the projected matrix.
    Dense columns = Dense::Zero(begin + b, b);
    for (int pass = 0; pass < 2; ++pass) columns += remove_basis(next);
    projected_.conservativeResizeLike(Dense::Zero(begin + b, begin + b));
    projected_.rightCols(b) = columns;
    projected_.bottomRows(b) = columns.transpose();
    block_ = qr(next.cast<double>()).q.cast<float>();
    remove_basis(block_);  // scaled up, a small remainder need not be orthogonal to the basis any more
    block_ = qr(block_.cast<double>()).q.cast<float>();
  }

  /// Largest eigenvalues of the projected matrix: squares of approximate singular values, descending.
  [[nodiscard]] Vector values(Index k) const {
    const Eigen::SelfAdjointEigenSolver<Dense> solver(projected_, Eigen::EigenvaluesOnly);
    return solver.eigenvalues().reverse().head(std::min(k, size()));
  }

  /// The k best directions of the basis, by Rayleigh-Ritz in float64.
  [[nodiscard]] TopDirections best(Index k) {
    const Eigen::SelfAdjointEigenSolver<Dense> solver(projected_);
    const DenseF top = solver.eigenvectors().rightCols(std::min(k, size())).rowwise().reverse().cast<float>();
    // The combinations are orthonormal up to float32, which QR makes exact; W times them is known but for
    // that.
    const Qr near = qr(combine(basis_, top).cast<double>());
    const Dense images = near.r.triangularView<Eigen::Upper>().template solve<Eigen::OnTheRight>(
        combine(images_, top).cast<double>());
    const Svd parts = svd(images);
    TopDirections found{parts.sigma, parts.left, near.q * parts.right, false};
    const Dense off = back(found.left.cast<float>()).cast<double>() - found.right * found.sigma.asDiagonal();
    if (found.sigma[0] > 0) found.residual = off.colwise().norm().maxCoeff() / found.sigma[0];
    if (!on_inputs_) std::swap(found.left, found.right);
    return found;
  }

 private:
  static void append(DenseF& to, const DenseF& columns) {
    to.conservativeResize(columns.rows(), to.cols() + columns.cols());
    to.rightCols(columns.cols()) = columns;
  }

  /// From the larger side to the smaller one: M x = back(image of x).
  DenseF back(const DenseF& image) {
    return on_inputs_ ? weight_.transposed_times(image) : weight_.times(image);
  }

  /// columns * weights
  DenseF combine(const DenseF& columns, const DenseF& weights) {
    DenseF result(columns.rows(), weights.cols());
    weight_.ops().matmul(transposed_view(weights), transposed_view(columns), transposed_view(result), {});
    return result;
  }

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
  DenseF images_;    // [the other side,K]: W or W^T times the basis
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
  BlockKrylov krylov(weight, options.seed);
  double before = 0;
  double change_before = 0;
  for (Index step = 0; krylov.next_size() < side; ++step) {
    krylov.extend();
    // A look costs a decomposition of the whole projected matrix.
    if (krylov.size() < 2 * k || step % 2 == 1) continue;
    const double now = std::sqrt(std::max(0.0, krylov.values(k).sum()));
    const double change = now - before;
    const double rate = change_before > 0 ? change / change_before : 1.0;
    const bool converged = rate < 1 && change * rate / (1 - rate) < options.tolerance * now;
    if (before > 0 && (change <= 0 || converged)) break;
    if (now == 0.0) break;
    before = now;
    change_before = change;
  }
  return krylov.best(k);
}

}  // namespace lorry::analysis
