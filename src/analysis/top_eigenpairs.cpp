#include "analysis/top_eigenpairs.hpp"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/rng.hpp"

namespace lorry::analysis {

namespace {

using Reduction = Eigen::Tridiagonalization<DenseF>;

/// T with `diagonal` [n] and `beside` [n - 1] on both sides of it.
struct Tridiagonal {
  Vector diagonal;
  Vector beside;
  double bound = 0.0;  // of its eigenvalues' sizes (Gershgorin)
  double least = 0.0;  // what is as good as zero beside them

  explicit Tridiagonal(const Reduction& reduction)
      : diagonal(reduction.diagonal().cast<double>()), beside(reduction.subDiagonal().cast<double>()) {
    bound = diagonal.cwiseAbs().maxCoeff() + 2 * (beside.size() > 0 ? beside.cwiseAbs().maxCoeff() : 0.0);
    least = std::max(std::numeric_limits<double>::epsilon() * bound, 1e-300);
  }

  [[nodiscard]] Index size() const { return diagonal.size(); }

  /// How many eigenvalues exceed each of `shifts`: as many as pivots of T - shift are positive (Sylvester).
  [[nodiscard]] Eigen::ArrayXd count_above(const Eigen::ArrayXd& shifts) const {
    Eigen::ArrayXd count = Eigen::ArrayXd::Zero(shifts.size());
    Eigen::ArrayXd pivot = Eigen::ArrayXd::Ones(shifts.size());
    for (Index i = 0; i < size(); ++i) {
      const double coupling = i > 0 ? beside[i - 1] * beside[i - 1] : 0.0;
      pivot = diagonal[i] - shifts - coupling / pivot;
      pivot = (pivot.abs() < least).select(-least, pivot);
      count += (pivot > 0.0).cast<double>();
    }
    return count;
  }

  /// Ascending; all of them at once by bisection.
  [[nodiscard]] Vector top_values(Index k) const {
    constexpr int kHalvings = 52;
    const Index count = std::min(k, size());
    const Eigen::ArrayXd wanted = Eigen::ArrayXd::LinSpaced(count, static_cast<double>(count), 1.0);
    Eigen::ArrayXd low = Eigen::ArrayXd::Constant(count, -bound);
    Eigen::ArrayXd high = Eigen::ArrayXd::Constant(count, bound);
    for (int i = 0; i < kHalvings; ++i) {
      const Eigen::ArrayXd middle = 0.5 * (low + high);
      const auto above = (count_above(middle) >= wanted).eval();
      low = above.select(middle, low);
      high = above.select(high, middle);
    }
    return 0.5 * (low + high);
  }
};

/// P L U = T - shift, with rows exchanged where the one below has the larger pivot.
class Factors {
 public:
  /// No pivot is smaller than t.least: T - λ is singular, and its solution's direction is what is wanted.
  Factors(const Tridiagonal& t, double shift) : rows_(static_cast<std::size_t>(t.size())) {
    const Index n = t.size();
    Row current{.u0 = t.diagonal[0] - shift, .u1 = n > 1 ? t.beside[0] : 0.0};
    for (Index i = 0; i + 1 < n; ++i) {
      Row below{.u0 = t.beside[i], .u1 = t.diagonal[i + 1] - shift, .u2 = i + 2 < n ? t.beside[i + 1] : 0.0};
      if (std::abs(below.u0) > std::abs(current.u0)) {
        current.u2 = 0.0;
        std::swap(current, below);
        current.exchanged = true;
      }
      keep_away_from_zero(current.u0, t.least);
      current.factor = below.u0 / current.u0;
      rows_[static_cast<std::size_t>(i)] = current;
      current = {.u0 = below.u1 - current.factor * current.u1, .u1 = below.u2 - current.factor * current.u2};
    }
    keep_away_from_zero(current.u0, t.least);
    rows_.back() = current;
  }

  void solve(Vector& x) const {
    const Index n = x.size();
    for (Index i = 0; i + 1 < n; ++i) {
      const Row& row = rows_[static_cast<std::size_t>(i)];
      if (row.exchanged) std::swap(x[i], x[i + 1]);
      x[i + 1] -= row.factor * x[i];
    }
    for (Index i = n; i-- > 0;) {
      const Row& row = rows_[static_cast<std::size_t>(i)];
      if (i + 1 < n) x[i] -= row.u1 * x[i + 1];
      if (i + 2 < n) x[i] -= row.u2 * x[i + 2];
      x[i] /= row.u0;
    }
  }

 private:
  struct Row {
    double u0 = 0.0;  // U's diagonal and the two beside it
    double u1 = 0.0;
    double u2 = 0.0;
    double factor = 0.0;  // L's
    bool exchanged = false;
  };

  static void keep_away_from_zero(double& pivot, double least) {
    if (std::abs(pivot) < least) pivot = std::copysign(least, pivot);
  }

  std::vector<Row> rows_;
};

Vector random_vector(Index size, Rng& rng) {
  Vector x(size);
  for (double& value : x) value = static_cast<double>(rng.next_normal());
  return x;
}

/// The vectors of `values`, ascending, as columns. Each is kept orthogonal to those before it, which decides
/// among the vectors of equal ones.
Dense vectors_of(const Tridiagonal& t, const Vector& values) {
  constexpr int kTimes = 3;
  Rng rng(0);
  Dense vectors(t.size(), values.size());
  for (Index j = 0; j < values.size(); ++j) {
    const Factors factors(t, values[j]);
    Vector x = random_vector(t.size(), rng);
    for (int times = 0; times < kTimes; ++times) {
      x.normalize();  // before it is solved, and by so much that squares of the solution are finite
      factors.solve(x);
      x /= x.cwiseAbs().maxCoeff();
      for (int again = 0; again < 2; ++again) {
        x -= vectors.leftCols(j) * (vectors.leftCols(j).transpose() * x).eval();
      }
    }
    vectors.col(j) = x.normalized();
  }
  return vectors;
}

}  // namespace

Vector top_eigenvalues(const DenseF& symmetric, Index k) {
  return Tridiagonal(Reduction(symmetric)).top_values(k);
}

Eigenpairs top_eigenpairs(const DenseF& symmetric, Index k) {
  const Reduction reduction(symmetric);
  const Tridiagonal t(reduction);
  const Vector values = t.top_values(k);
  return {.values = values, .vectors = reduction.matrixQ() * vectors_of(t, values).cast<float>()};
}

}  // namespace lorry::analysis
