// Updates that lie in memory, for tests that know the answer.
#pragma once
#include <algorithm>
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
  [[nodiscard]] Index reading_bytes(Index index) const override {
    const Update& update = updates_[static_cast<std::size_t>(index)];
    return std::ssize(update.a.values) * 8 + std::ssize(update.b.values) * 8 +
           std::ssize(update.difference.values) * 8;
  }

 private:
  std::vector<UpdateInfo> infos_;
  std::vector<Update> updates_;
};

inline MemoryUpdates one_module(Grid a, Grid b, double scale = 1.0) {
  MemoryUpdates updates;
  updates.add("m", std::move(a), std::move(b), scale);
  return updates;
}

inline MemoryUpdates one_difference(Grid difference) {
  MemoryUpdates updates;
  updates.add_dense("m", std::move(difference));
  return updates;
}

/// Standard normal draws.
inline Grid random_grid(Index rows, Index cols, std::uint64_t seed) {
  Grid grid(rows, cols);
  Rng rng(seed);
  for (double& value : grid.values) value = static_cast<double>(rng.next_normal());
  return grid;
}

inline Grid turned(const Grid& grid) {
  Grid result(grid.cols, grid.rows);
  for (Index i = 0; i < grid.rows; ++i) {
    for (Index j = 0; j < grid.cols; ++j) result.at(j, i) = grid.at(i, j);
  }
  return result;
}

inline Grid product(const Grid& x, const Grid& y) {
  Grid result(x.rows, y.cols);
  for (Index i = 0; i < x.rows; ++i) {
    for (Index k = 0; k < x.cols; ++k) {
      for (Index j = 0; j < y.cols; ++j) result.at(i, j) += x.at(i, k) * y.at(k, j);
    }
  }
  return result;
}

/// [rows, cols] with sizes[i] at (i, first + i) and zero elsewhere: its singular directions are coordinate
/// axes.
inline Grid axes(Index rows, Index cols, Index first, const std::vector<double>& sizes) {
  Grid grid(rows, cols);
  for (Index i = 0; i < static_cast<Index>(sizes.size()); ++i)
    grid.at(i, first + i) = sizes[static_cast<std::size_t>(i)];
  return grid;
}

}  // namespace lorry::analysis
