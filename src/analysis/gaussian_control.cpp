#include "analysis/gaussian_control.hpp"

#include <algorithm>

#include "analysis/memory.hpp"
#include "analysis/parallel.hpp"
#include "analysis/subspace.hpp"

namespace lorry::analysis {

namespace {

/// U_1^T U_2 [p,q] of two independent random frames. What matters is only how one lies to the other, so the
/// larger one may be the first coordinate axes: the overlaps are then rows of the smaller one.
Dense random_overlaps(Index dimension, Index p, Index q, std::uint64_t seed, std::uint64_t stream) {
  if (p < q) return random_overlaps(dimension, q, p, seed, stream).transpose();
  return random_frame(dimension, q, seed, stream).topRows(p);
}

}  // namespace

GaussianControl gaussian_control(Index dimension, Index p, Index q, Index seeds, std::uint64_t seed) {
  LORRY_CHECK(seeds >= 1 && p >= 1 && q >= 1 && std::max(p, q) <= dimension);
  std::vector<Grid> draws;
  for (Index i = 0; i < seeds; ++i) {
    draws.push_back(phi_grid(random_overlaps(dimension, p, q, seed, static_cast<std::uint64_t>(i))));
  }
  GaussianControl control{dimension, seeds, Grid(p, q), Grid(p, q), Grid(p, q)};
  std::vector<double> values(draws.size());
  for (Index i = 0; i < p; ++i) {
    for (Index j = 0; j < q; ++j) {
      std::transform(draws.begin(), draws.end(), values.begin(),
                     [&](const Grid& draw) { return draw.at(i, j); });
      const MeanSpread figures = mean_spread(values);
      control.mean.at(i, j) = figures.mean;
      control.spread.at(i, j) = figures.spread;
      control.expectation.at(i, j) = expected_phi(i + 1, j + 1, dimension);
    }
  }
  return control;
}

void ControlTable::prepare(const std::vector<Shape>& shapes, Index threads, Index memory) {
  std::vector<std::map<Shape, GaussianControl>::iterator> missing;
  for (const Shape& shape : shapes) {
    const auto [dimension, p, q] = shape;
    if (p == 0 || q == 0) continue;
    const auto [place, added] = controls_.try_emplace(shape);
    if (added) missing.push_back(place);
  }
  MemoryShares shares{.room = memory};
  if (memory > 0) {
    for (const auto& place : missing) shares.bytes.push_back(control_memory(place->first, seeds_));
  }
  const auto compute = [&](Index i, Index) {
    const auto& place = missing[static_cast<std::size_t>(i)];
    const auto [dimension, p, q] = place->first;
    place->second = gaussian_control(dimension, p, q, seeds_, seed_);
  };
  for_each_parallel(std::ssize(missing), threads, {}, compute, shares);
}

const GaussianControl* ControlTable::find(Index dimension, Index p, Index q) const {
  const auto found = controls_.find({dimension, p, q});
  return found == controls_.end() ? nullptr : &found->second;
}

}  // namespace lorry::analysis
