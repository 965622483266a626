#include "train/check_run.hpp"

#include "core/error.hpp"
#include "model/adapter.hpp"
#include "model/model_folder.hpp"

namespace lorry::train {

void check_options(const TrainOptions& options) {
  constexpr Index kMostSequences = 1 << 20;
  constexpr double kMostEpochs = 1e4;
  if (options.method == Method::kFull && !options.adapter.empty()) {
    throw Error("[train] --adapter {}: found with --method full; merge the adapter first (lorry merge)",
                options.adapter.string());
  }
  if (options.batch_size < 1 || options.batch_size > kMostSequences) {
    throw Error("[train] --batch-size: found {}; expected 1 to {}", options.batch_size, kMostSequences);
  }
  if (options.grad_accumulation_steps < 1 || options.grad_accumulation_steps > kMostSequences) {
    throw Error("[train] --grad-accumulation-steps: found {}; expected 1 to {}",
                options.grad_accumulation_steps, kMostSequences);
  }
  if (!(options.epochs > 0 && options.epochs <= kMostEpochs)) {
    throw Error("[train] --epochs: found {}; expected above 0, at most {}", options.epochs, kMostEpochs);
  }
}

void check_run(const RunInputs& inputs, const TrainOptions& options) {
  check_options(options);
  model::Decoder& decoder = *inputs.model.decoder;
  constexpr Index kManySteps = Index{1} << 30;  // of epochs the number is not known yet
  const optim::LearningRateSchedule schedule(options.lr_scheduler, options.learning_rate(),
                                             options.steps.value_or(kManySteps), options.warmup_steps);
  optim::check_config(options.optimizer);
  if (options.method == Method::kFull) {
    static_cast<void>(model::stored_dtype(inputs.model.folder));
  } else if (options.adapter.empty()) {
    model::Adapter::check(options.lora, decoder);
  }
}

}  // namespace lorry::train
