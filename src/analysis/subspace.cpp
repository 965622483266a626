#include "analysis/subspace.hpp"

#include <algorithm>
#include <cmath>

#include "analysis/small_svd.hpp"
#include "core/rng.hpp"

namespace lorry::analysis {

Grid phi_grid(const Dense& overlaps) {
  Grid phi(overlaps.rows(), overlaps.cols());
  std::vector<double> above(
      static_cast<std::size_t>(phi.cols));  // sums of squares of whole columns down to row i
  for (Index i = 0; i < phi.rows; ++i) {
    double block = 0;
    for (Index j = 0; j < phi.cols; ++j) {
      above[static_cast<std::size_t>(j)] += overlaps(i, j) * overlaps(i, j);
      block += above[static_cast<std::size_t>(j)];
      // Rounding must not take the measure above its bound.
      phi.at(i, j) = std::min(1.0, block / static_cast<double>(std::min(i, j) + 1));
    }
  }
  return phi;
}

Dense random_frame(Index dimension, Index count, std::uint64_t seed, std::uint64_t stream) {
  Rng rng(seed, stream);
  Dense gaussian(dimension, count);
  for (Index j = 0; j < count; ++j) {
    for (Index i = 0; i < dimension; ++i) gaussian(i, j) = static_cast<double>(rng.next_normal());
  }
  return qr(gaussian).q;
}

MeanSpread mean_spread(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  double mean = 0;
  for (const double value : values) mean += value / n;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, values.size() > 1 ? std::sqrt(squares / (n - 1)) : 0.0};
}

}  // namespace lorry::analysis
