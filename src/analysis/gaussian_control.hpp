// analysis/gaussian_control.hpp: φ between random matrices, the control of the paper's Figure 4.
#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <tuple>

#include "analysis/grid.hpp"

namespace lorry::analysis {

/// E φ(i, j) of two independent Gaussian matrices in d dimensions: max(i, j) / d.
[[nodiscard]] inline double expected_phi(Index i, Index j, Index dimension) {
  return static_cast<double>(std::max(i, j)) / static_cast<double>(dimension);
}

/// φ between the leading directions of two independent Gaussian matrices in d dimensions, over several seeds.
struct GaussianControl {
  Index dimension = 0;  // d
  Index seeds = 0;
  Grid mean = {};         // [p, p']
  Grid spread = {};       // standard deviation over the seeds (n - 1 in the denominator); 0 with one seed
  Grid expectation = {};  // expected_phi
};

/// p directions against q directions in d dimensions, p, q <= d. The same numbers for the same arguments.
GaussianControl gaussian_control(Index dimension, Index p, Index q, Index seeds = 5, std::uint64_t seed = 1);

/// Controls by shape, each computed once.
class ControlTable {
 public:
  ControlTable(Index seeds, std::uint64_t seed) : seeds_(seeds), seed_(seed) {}
  /// Computes those of `shapes` that are missing, in parallel (threads 0: all), as many at once as `memory`
  /// bytes hold (0: no limit). A shape is (dimension, p, q).
  using Shape = std::tuple<Index, Index, Index>;
  void prepare(const std::vector<Shape>& shapes, Index threads = 0, Index memory = 0);
  /// nullptr if it was not prepared (an empty grid needs none).
  [[nodiscard]] const GaussianControl* find(Index dimension, Index p, Index q) const;

 private:
  Index seeds_;
  std::uint64_t seed_;
  std::map<Shape, GaussianControl> controls_;
};

}  // namespace lorry::analysis
