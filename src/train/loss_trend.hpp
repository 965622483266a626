// train/loss_trend.hpp: whether the training loss has fallen, from the losses at both ends of a run.
#pragma once
#include <optional>
#include <vector>

#include "core/index.hpp"

namespace lorry::train {

/// Means over steps at the start and at the end. Where the loss rose from the first step far more than steps
/// differ at the end, the start is that one step.
struct LossChange {
  double first = 0;
  double last = 0;
  double noise = 0;  // standard error of their difference, from how far steps differ
};

/// Keeps the first and the last tenth of the losses, 3 to 100 of each.
class LossTrend {
 public:
  LossTrend() = default;
  /// As another one was.
  LossTrend(std::vector<double> first, std::vector<double> last);

  /// Every step's, in order, of a run of `total_steps`.
  void add(double loss, Index total_steps);
  /// Nothing where either end would have fewer than 3.
  [[nodiscard]] std::optional<LossChange> change() const;

  [[nodiscard]] const std::vector<double>& first() const noexcept { return first_; }
  [[nodiscard]] const std::vector<double>& last() const noexcept { return last_; }

 private:
  std::vector<double> first_;
  std::vector<double> last_;  // without those in first_
};

}  // namespace lorry::train
