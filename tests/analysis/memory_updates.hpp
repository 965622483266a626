// Updates that lie in memory, for tests that know the answer.
#pragma once
#include <utility>

#include "analysis/update.hpp"
#include "core/rng.hpp"

namespace lorry::analysis {

class MemoryUpdates : public UpdateSource {
 public:
  /// Adds scale * b * a as `module`.
  void add(std::string module, Grid a, Grid b, double scale = 1.0) {
    const UpdateInfo info{
        .module = std::move(module), .outputs = b.rows, .inputs = a.cols, .rank = a.rows, .scale = scale};
    infos_.push_back(info);
    updates_.push_back({.info = info, .a = std::move(a), .b = std::move(b)});
  }
  /// Adds a dense ΔW as `module`.
  void add_dense(std::string module, Grid difference) {
    const Index side = std::min(difference.rows, difference.cols);
    const UpdateInfo info{.module = std::move(module),
                          .outputs = difference.rows,
                          .inputs = difference.cols,
                          .rank = side,
                          .dense = true};
    infos_.push_back(info);
    updates_.push_back({.info = info, .difference = std::move(difference)});
  }

  [[nodiscard]] std::string description() const override { return "memory"; }
  [[nodiscard]] const std::vector<UpdateInfo>& modules() const override { return infos_; }
  [[nodiscard]] Update read(Index index) const override { return updates_[static_cast<std::size_t>(index)]; }

 private:
  std::vector<UpdateInfo> infos_;
  std::vector<Update> updates_;
};

inline Grid random_grid(Index rows, Index cols, std::uint64_t seed) {
  Grid grid(rows, cols);
  Rng rng(seed);
  for (double& value : grid.values) value = static_cast<double>(rng.next_normal());
  return grid;
}

}  // namespace lorry::analysis
