// train/run_watch.hpp: what losses and gradients tell of a run that came to its end with finite numbers, but
// hardly to what was wanted. Numbers that are not finite end a run at once (train/diverged.hpp).
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "train/evaluate.hpp"
#include "train/trainer.hpp"

namespace lorry::train {

class RunWatch {
 public:
  /// Every step, in order.
  void add(const StepReport& report);
  /// For people; `before` and `after` are the first and the last evaluation, where there are any.
  [[nodiscard]] std::vector<std::string> warnings(const std::optional<Evaluation>& before,
                                                  const std::optional<Evaluation>& after) const;

 private:
  Index first_step_ = 0;  // of this start of the run
  Index steps_ = 0;
  double first_loss_ = 0;
  double last_loss_ = 0;
  Index idle_since_ = 0;  // first of the latest steps without a gradient; 0: the last step had one
};

}  // namespace lorry::train
