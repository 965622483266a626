#include "train/run.hpp"

#include <cmath>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "train/output_folder.hpp"
#include "train/trainee.hpp"

namespace lorry::train {

namespace {

/// What the flags' own ranges cannot say.
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

/// Optimiser steps of `epochs` passes; a step that accumulates ends with its epoch.
Index count_steps(const TrainOptions& options, const data::Batcher& batcher) {
  if (options.steps) return *options.steps;
  const auto whole = static_cast<Index>(std::floor(options.epochs));
  const auto steps_in = [&](Index epoch) {
    return (batcher.batches_in_epoch(epoch) + options.grad_accumulation_steps - 1) /
           options.grad_accumulation_steps;
  };
  Index steps = 0;
  for (Index epoch = 0; epoch < whole; ++epoch) steps += steps_in(epoch);
  const double rest = options.epochs - static_cast<double>(whole);
  if (rest > 0) steps += static_cast<Index>(std::ceil(rest * static_cast<double>(steps_in(whole))));
  return steps;
}

std::vector<data::Batch> next_micro_batches(data::Batcher& batcher, Index count) {
  std::vector<data::Batch> batches;
  do {
    batches.push_back(batcher.next());
  } while (static_cast<Index>(batches.size()) < count && !batcher.at_epoch_end());
  return batches;
}

RunPlan make_plan(const RunInputs& inputs, const Trainee& trainee, Index steps) {
  RunPlan plan{.steps = steps,
               .max_seq_length = inputs.max_seq_length,
               .trainable_parameters = trainee.count_parameters(),
               .model_parameters = model::count_weights(inputs.model.config),
               .dtype = trainee.decoder().compute(),
               .cpu = inputs.model.ops->description(),
               .data = inputs.data.statistics,
               .warnings = inputs.warnings};
  if (inputs.eval_data) plan.eval_data = inputs.eval_data->statistics;
  if (const model::Adapter* adapter = trainee.adapter()) {
    plan.adapted_modules = static_cast<Index>(adapter->entries().size());
  }
  const std::vector<std::string> warnings = trainee.warnings();
  plan.warnings.insert(plan.warnings.end(), warnings.begin(), warnings.end());
  return plan;
}

TrainerConfig trainer_config(const TrainOptions& options, Index steps) {
  return {.optimizer = options.optimizer,
          .schedule = {options.lr_scheduler, options.learning_rate(), steps, options.warmup_steps},
          .max_grad_norm = options.max_grad_norm,
          .total_steps = steps,
          .grad_checkpoint = options.grad_checkpoint,
          .dropout_seed = options.seed};
}

/// Everything that the loop goes through.
struct Loop {
  const RunInputs& inputs;
  const TrainOptions& options;
  const RunObserver& observer;
  const Trainee& trainee;
  Trainer& trainer;
  data::Batcher& batcher;
  Index steps = 0;
  LogFile& log;
};

void evaluate_at(Index step, const Loop& loop, RunResult& result) {
  if (!loop.inputs.eval_data) return;
  const Evaluation evaluation = evaluate(loop.trainee.decoder(), loop.inputs.eval_data->documents,
                                         loop.inputs.max_seq_length, loop.trainer.workspace());
  if (step == 0) result.first_evaluation = evaluation;
  result.last_evaluation = evaluation;
  loop.log.write(step, evaluation);
  if (loop.observer.on_evaluation) loop.observer.on_evaluation(step, evaluation);
}

void monitor_at(Index step, const Loop& loop) {
  if (!loop.observer.monitor) return;
  loop.observer.monitor({.step = step,
                         .total_steps = loop.steps,
                         .adapter = loop.trainee.adapter(),
                         .decoder = loop.trainee.decoder(),
                         .log = loop.log});
}

/// Steps, evaluations, log.
RunResult train(const Loop& loop) {
  const TrainOptions& options = loop.options;
  RunResult result{.steps = loop.steps};
  Index tokens = 0;
  evaluate_at(0, loop, result);
  monitor_at(0, loop);
  for (Index step = 1; step <= loop.steps; ++step) {
    const StepReport report =
        loop.trainer.step(next_micro_batches(loop.batcher, options.grad_accumulation_steps));
    result.loss = report.loss;
    result.seconds += report.seconds;
    tokens += report.tokens;
    loop.log.write(report);
    if (loop.observer.on_step) loop.observer.on_step(report);
    monitor_at(step, loop);
    const bool due = options.eval_steps > 0 && step % options.eval_steps == 0;
    if (due || step == loop.steps) evaluate_at(step, loop, result);
  }
  result.tokens_per_second = result.seconds > 0 ? static_cast<double>(tokens) / result.seconds : 0;
  return result;
}

/// A run whose output folder is held already.
RunResult run_held(RunInputs& inputs, const TrainOptions& options, const RunObserver& observer) {
  Trainee trainee(inputs, options);
  data::Batcher batcher(
      inputs.data.documents,
      {.batch_size = options.batch_size, .max_seq_length = inputs.max_seq_length, .seed = options.seed});
  const Index steps = count_steps(options, batcher);
  Trainer trainer(trainee.decoder(), trainee.trainable(), trainer_config(options, steps));
  LogFile log(options.out / "log.jsonl");
  if (observer.on_start) observer.on_start(make_plan(inputs, trainee, steps));
  RunResult result = train({.inputs = inputs,
                            .options = options,
                            .observer = observer,
                            .trainee = trainee,
                            .trainer = trainer,
                            .batcher = batcher,
                            .steps = steps,
                            .log = log});
  trainee.save(options.out);
  result.trainable_parameters = trainee.count_parameters();
  result.peak_rss_bytes = peak_rss_bytes();
  return result;
}

}  // namespace

RunResult run_training(const TrainOptions& options, const RunObserver& observer) {
  check_options(options);
  const OutputFolder held(options);
  RunInputs inputs = open_inputs(options);
  return run_held(inputs, options, observer);
}

RunResult run_on(RunInputs& inputs, const TrainOptions& options, const RunObserver& observer) {
  check_options(options);
  const OutputFolder held(options);
  return run_held(inputs, options, observer);
}

}  // namespace lorry::train
