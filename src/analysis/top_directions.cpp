#include "analysis/top_directions.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "analysis/block_krylov.hpp"
#include "analysis/small_svd.hpp"

namespace lorry::analysis {

namespace {

TopDirections exact_directions(const WeightMatrix& weight, Index k) {
  const Svd whole = svd(weight.in_double());
  const Index count = std::min<Index>(k, whole.sigma.size());
  return {.sigma = whole.sigma.head(count),
          .left = whole.left.leftCols(count),
          .right = whole.right.leftCols(count)};
}

/// Of a zero matrix, whose directions are all the same.
TopDirections any_directions(const WeightMatrix& weight, Index k) {
  const Index count = std::min({k, weight.inputs(), weight.outputs()});
  return {.sigma = Vector::Zero(count),
          .left = Dense::Identity(weight.outputs(), count),
          .right = Dense::Identity(weight.inputs(), count)};
}

/// What a basis of `size` vectors held.
struct Look {
  double size = 0.0;
  double captured = 0.0;
};

/// What is left to gain after three looks, x, y, z, if it falls by one factor per vector: e(size) = e exp(-c
/// size).
struct Forecast {
  double rest = 0.0;  // e at z
  double rate = 0.0;  // c; 0: it does not fall yet
};

Forecast forecast(const Look& x, const Look& y, const Look& z) {
  const double earlier = y.captured - x.captured;
  const double later = z.captured - y.captured;
  constexpr double kNothing = 1e-7;
  if (later <= kNothing * z.captured) return {0.0, 1.0};  // nothing more to gain
  const double h = z.size - y.size;
  const auto ratio = [&](double c) {  // of the two gains, which grows with c
    return std::exp(c * h) * std::expm1(c * (y.size - x.size)) / std::expm1(c * h);
  };
  double low = 1e-9;
  double high = 1.0;
  if (ratio(low) >= earlier / later) return {later, 0.0};
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (low + high);
    (ratio(middle) < earlier / later ? low : high) = middle;
  }
  return {later / std::expm1(low * h), low};
}

/// Extends until no more than tolerance of sqrt(σ_1^2 + ... + σ_k^2) is to gain. A look decomposes a matrix
/// of the size of the basis, so the forecast says when to look next.
void converge(BlockKrylov& krylov, Index k, Index side, double tolerance) {
  std::vector<Look> looks;
  Index next_look = 2 * k;
  while (krylov.next_size() < side) {
    krylov.extend();
    if (krylov.exhausted() && krylov.size() >= k) return;
    const Index size = krylov.size();
    if (size < next_look) continue;
    looks.push_back({static_cast<double>(size), krylov.captured(k)});
    const double captured = looks.back().captured;
    if (captured == 0.0) return;
    next_look = size + std::max<Index>(size / 6, 1);
    if (looks.size() < 3) continue;
    const auto last = looks.end() - 1;
    const Forecast ahead = forecast(*(last - 2), *(last - 1), *last);
    if (ahead.rate == 0.0) continue;
    if (ahead.rest <= tolerance * captured) return;
    // It tends to fall faster later on.
    const double missing = std::log(ahead.rest / (tolerance * captured)) / ahead.rate;
    next_look = size + std::clamp<Index>(static_cast<Index>(0.6 * missing), 1, size / 4);
  }
}

}  // namespace

bool decomposed_whole(Index side, Index k, const TopOptions& options) {
  return side <= options.full_side || 4 * k >= side;
}

TopDirections top_directions(WeightMatrix& weight, Index k, const TopOptions& options) {
  const Index side = std::min(weight.inputs(), weight.outputs());
  if (weight.norm() == 0.0) return any_directions(weight, k);
  if (decomposed_whole(side, k, options)) return exact_directions(weight, k);
  BlockKrylov krylov(weight, options.seed);
  converge(krylov, k, side, options.tolerance);
  return krylov.best(k);
}

}  // namespace lorry::analysis
