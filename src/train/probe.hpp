// train/probe.hpp: how fast this machine is at what training does: its products, its memory, and whole steps
// of a model with few blocks and made-up weights. Nothing of a model's files is read.
#pragma once
#include <functional>
#include <memory>

#include "train/memory.hpp"

namespace lorry::train {

/// Each is the best of a few repetitions.
struct MachineRates {
  double flops = 0;           // per second, of a product of the model's largest shape in the compute type
  double bytes = 0;           // per second, read and written by an addition of matrices beyond the caches
  double update_seconds = 0;  // of one parameter: optimiser, norm, zeroing, and the copy that computes
};

MachineRates measure_rates(const model::LoadedModel& model, const TrainOptions& options);

/// Rows of a step's micro-batch, as documents of one length.
struct ProbeBatch {
  Index rows = 0;
  Index length = 0;  // tokens of a document
  double share = 1;  // of the tokens are targets
};

/// One micro-batch of a model with `blocks` of the topmost blocks' shape and the ends of `model`, forward and
/// backward and without an update: seconds, the best of `repetitions`.
class StepProbe {
 public:
  StepProbe(const model::LoadedModel& model, const RunSize& size, const TrainOptions& options, Index blocks);
  StepProbe(const StepProbe&) = delete;
  StepProbe& operator=(const StepProbe&) = delete;
  ~StepProbe();

  double seconds(const ProbeBatch& batch, int repetitions);
  /// What DoRA computes after an update: the norms of all that is adapted. 0 without DoRA.
  double norm_seconds(int repetitions);
  /// Of one block's attention alone, forward and backward, once each.
  double attention_seconds(const ProbeBatch& batch, int repetitions);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lorry::train
