// train/streamed_steps.hpp: what the steps of a run read of weights that are streamed, what block inputs they
// write and read, and how far their time is from what the machine allows.
#pragma once
#include "model/stream_floor.hpp"
#include "train/run_inputs.hpp"
#include "train/run_size.hpp"
#include "train/trainer.hpp"

namespace lorry::train {

class StreamedSteps {
 public:
  /// Measures the machine. Weights must be streamed; `inputs` is borrowed.
  StreamedSteps(RunInputs& inputs, const TrainOptions& options);

  void begin(const Trainer& trainer);
  void end(const Trainer& trainer, const StepReport& report);

  [[nodiscard]] Index steps() const noexcept { return steps_; }
  /// Of all steps that ended; measures the machine again, since some are faster now and then.
  [[nodiscard]] model::StreamedWork work() const;

 private:
  model::LoadedModel& model_;
  TrainOptions options_;
  RunSize size_;
  model::StreamedWork work_;
  model::WeightStream::Totals before_;
  io::ScratchQueue::Totals scratch_before_;
  Index steps_ = 0;
};

}  // namespace lorry::train
