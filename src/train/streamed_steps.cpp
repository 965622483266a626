#include "train/streamed_steps.hpp"

#include <algorithm>

#include "train/step_time.hpp"

namespace lorry::train {

StreamedSteps::StreamedSteps(RunInputs& inputs, const TrainOptions& options)
    : model_(inputs.model), options_(options), size_(measure_run(inputs.model, options)) {
  options_.grad_checkpoint = true;  // as it is where weights are streamed
  work_.peaks = model::measure_peaks(model_);
}

model::StreamedWork StreamedSteps::work() const {
  model::StreamedWork work = work_;
  work.peaks.flops = std::max(work.peaks.flops, model::measure_peak_flops(model_));
  return work;
}

void StreamedSteps::begin(const Trainer& trainer) {
  scratch_before_ = trainer.workspace().inputs.totals();
  before_ = model_.weights.stream()->totals();
}

void StreamedSteps::end(const Trainer& trainer, const StepReport& report) {
  work_.scratch += trainer.workspace().inputs.totals() - scratch_before_;
  work_.read += model_.weights.stream()->totals() - before_;
  work_.seconds += report.seconds;
  work_.flops += step_flops(model_.config, options_, size_, report.tokens, report.targets);
  ++steps_;
}

}  // namespace lorry::train
