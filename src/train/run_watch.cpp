#include "train/run_watch.hpp"

#include <fmt/format.h>

namespace lorry::train {

void RunWatch::add(const StepReport& report) {
  if (steps_ == 0) {
    first_step_ = report.step;
    first_loss_ = report.loss;
  }
  steps_ = report.step;
  last_loss_ = report.loss;
  if (report.grad_norm != 0.0) {
    idle_since_ = 0;
  } else if (idle_since_ == 0) {
    idle_since_ = report.step;
  }
}

std::vector<std::string> RunWatch::warnings(const std::optional<Evaluation>& before,
                                            const std::optional<Evaluation>& after) const {
  constexpr double kRise = 2.0;  // of the training loss: batches alone do not double it
  std::vector<std::string> found;
  if (idle_since_ == 1) {
    found.push_back(
        fmt::format("the gradient was exactly zero in each of {} steps: nothing was learnt", steps_));
  } else if (idle_since_ > 1) {
    found.push_back(
        fmt::format("the gradient has been exactly zero since step {} of {}: nothing was learnt any more; "
                    "did training diverge? try a lower --lr",
                    idle_since_, steps_));
  }
  if (before && after && after->loss > before->loss) {
    found.push_back(fmt::format(
        "held-out loss rose from {:.4f} to {:.4f}: the model got worse; try a lower --lr, or fewer "
        "steps",
        before->loss, after->loss));
  } else if (last_loss_ > kRise * first_loss_) {
    found.push_back(fmt::format(
        "loss rose from {:.4f} at step {} to {:.4f} at step {}: did training diverge? try a lower "
        "--lr",
        first_loss_, first_step_, last_loss_, steps_));
  }
  return found;
}

}  // namespace lorry::train
