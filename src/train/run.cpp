#include "train/run.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <memory>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "io/file_descriptor.hpp"
#include "model/adapter_files.hpp"
#include "model/full_parameters.hpp"
#include "model/loaded_model.hpp"
#include "model/model_folder.hpp"
#include "train/log_file.hpp"

namespace lorry::train {

namespace {

/// Everything a run holds from its start to its end.
struct Run {
  const TrainOptions& options;
  const RunObserver& observer;
  model::LoadedModel model;
  std::unique_ptr<model::FullParameters> full = nullptr;  // full method only
  DType stored_dtype = DType::kF32;                       // in which the full method saves
  Index max_seq_length = 0;
  data::Dataset data = {};
  std::optional<data::Dataset> eval_data = std::nullopt;
  std::vector<std::string> warnings = {};
};

bool same_folder(const std::filesystem::path& a, const std::filesystem::path& b) {
  std::error_code failure;
  return !b.empty() && std::filesystem::equivalent(a, b, failure);
}

/// Made before anything is loaded: a run must not find out late that it cannot write.
void make_output(const std::filesystem::path& out) {
  std::error_code failure;
  std::filesystem::create_directories(out, failure);
  if (failure) throw Error("[train] --out {}: cannot make the folder: {}", out.string(), failure.message());
}

/// What holds weights already is refused, so that no result and no model is ever overwritten.
void check_output(const TrainOptions& options) {
  const std::filesystem::path& out = options.out;
  if (same_folder(out, options.model) || same_folder(out, options.adapter)) {
    throw Error("[train] --out {}: is what the run starts from; expected a new folder", out.string());
  }
  for (const auto& entry : std::filesystem::directory_iterator(out)) {
    if (entry.path().extension() != ".safetensors") continue;
    throw Error("[train] --out {}: already holds {}; expected a new folder (or remove that one first)",
                out.string(), entry.path().filename().string());
  }
}

/// Keeps other runs out of an output folder, and takes it away again if it is still empty at the end.
class OutputGuard {
 public:
  explicit OutputGuard(std::filesystem::path folder)
      : folder_(std::move(folder)), lock_(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    // Where the file system has no locks nothing happens.
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
    throw Error("[train] --out {}: another run is writing there; expected a folder of its own",
                folder_.string());
  }
  OutputGuard(const OutputGuard&) = delete;
  OutputGuard& operator=(const OutputGuard&) = delete;
  ~OutputGuard() {
    std::error_code ignored;
    std::filesystem::remove(folder_, ignored);  // does nothing to a folder that holds something
  }

 private:
  std::filesystem::path folder_;
  io::FileDescriptor lock_;
};

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

void load_data(Run& run) {
  const TrainOptions& options = run.options;
  const data::Encoder encoder = model::make_encoder(run.model);
  run.max_seq_length = std::min(options.max_seq_length, run.model.config.max_position_embeddings);
  run.data = data::load_dataset(data::find_data_file(options.data, data::Split::kTrain), encoder,
                                run.max_seq_length);
  std::filesystem::path held_out = options.eval_data;
  if (held_out.empty() && std::filesystem::exists(options.data / "valid.jsonl")) held_out = options.data;
  if (held_out.empty()) return;
  held_out = data::find_data_file(held_out, data::Split::kEvaluation);
  run.eval_data = data::load_dataset(held_out, encoder, run.max_seq_length);
}

/// Rebuilds the decoder on trainable copies of all weights.
Trainable make_full(Run& run) {
  model::LoadedModel& model = run.model;
  const DType compute = model.decoder->compute();
  // Whatever can fail of the result fails now; the weights alone come at the end.
  run.stored_dtype = model::stored_dtype(run.options.model);
  model::copy_side_files(run.options.model, run.options.out);
  run.full = std::make_unique<model::FullParameters>(*model.ops, model.config, model.weights, compute);
  model.decoder = std::make_unique<model::Decoder>(*model.ops, model.config, run.full->weights(), compute);
  model.weights = {};
  run.full->attach(*model.decoder);
  return {.parameters = run.full->parameters(),
          .zero_gradients = [full = run.full.get()] { full->zero_gradients(); },
          .after_update = [full = run.full.get()] { full->refresh(); }};
}

Trainable make_lora(Run& run) {
  model::LoadedModel& model = run.model;
  if (!model.adapter) {
    model::PeftConfig config = run.options.lora;
    config.base_model_name_or_path = run.options.model.string();
    model.adapter =
        std::make_unique<model::Adapter>(model::Adapter::create(config, *model.decoder, run.options.seed));
    model.adapter->attach(*model.decoder);
  }
  const std::vector<std::string> oversized = model.adapter->oversized();
  if (!oversized.empty()) {
    run.warnings.push_back(
        fmt::format("rank {} is above the smaller side of {} layers ({}, ...): the rest of it is idle",
                    model.adapter->config().r, oversized.size(), oversized.front()));
  }
  return {.parameters = model.adapter->parameters(),
          .zero_gradients = [adapter = model.adapter.get()] { adapter->zero_gradients(); },
          .after_update = {}};
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

RunPlan make_plan(const Run& run, Index steps) {
  RunPlan plan{.steps = steps,
               .model_parameters = model::count_weights(run.model.config),
               .dtype = run.model.decoder->compute(),
               .cpu = run.model.ops->description(),
               .data = run.data.statistics,
               .warnings = run.warnings};
  if (run.eval_data) plan.eval_data = run.eval_data->statistics;
  if (run.full) {
    plan.trainable_parameters = run.full->count_parameters();
  } else {
    plan.trainable_parameters = run.model.adapter->count_parameters();
    plan.adapted_modules = static_cast<Index>(run.model.adapter->entries().size());
  }
  return plan;
}

/// Every update but the last is checked by the loss of the step after it.
void check_result(const Run& run) {
  const auto parameters = run.full ? run.full->parameters() : run.model.adapter->parameters();
  for (const optim::Parameter& parameter : parameters) {
    if (std::isfinite(run.model.ops->sum_of_squares(parameter.value))) continue;
    throw Error(
        "[train] {}: found NaN or infinity after the last step; expected finite numbers; try a lower --lr",
        parameter.name);
  }
}

void save_result(const Run& run) {
  if (run.full) {
    run.full->save(run.options.out / "model.safetensors", run.stored_dtype);
  } else {
    model::save_adapter(run.options.out, *run.model.adapter);
  }
}

TrainerConfig trainer_config(const TrainOptions& options, Index steps) {
  return {.adamw = options.adamw,
          .schedule = {options.lr_scheduler, options.learning_rate(), steps, options.warmup_steps},
          .max_grad_norm = options.max_grad_norm,
          .total_steps = steps,
          .grad_checkpoint = options.grad_checkpoint,
          .dropout_seed = options.seed};
}

/// The loop: steps, evaluations, log.
RunResult train(Run& run, Trainer& trainer, data::Batcher& batcher, Index steps, LogFile& log) {
  RunResult result{.steps = steps};
  Index tokens = 0;
  const auto evaluate_at = [&](Index step) {
    if (!run.eval_data) return;
    const Evaluation evaluation =
        evaluate(*run.model.decoder, run.eval_data->documents, run.max_seq_length, trainer.workspace());
    if (step == 0) result.first_evaluation = evaluation;
    result.last_evaluation = evaluation;
    log.write(step, evaluation);
    if (run.observer.on_evaluation) run.observer.on_evaluation(step, evaluation);
  };
  evaluate_at(0);
  for (Index step = 1; step <= steps; ++step) {
    const StepReport report = trainer.step(next_micro_batches(batcher, run.options.grad_accumulation_steps));
    result.loss = report.loss;
    result.seconds += report.seconds;
    tokens += report.tokens;
    log.write(report);
    if (run.observer.on_step) run.observer.on_step(report);
    const bool due = run.options.eval_steps > 0 && step % run.options.eval_steps == 0;
    if (due || step == steps) evaluate_at(step);
  }
  result.tokens_per_second = result.seconds > 0 ? static_cast<double>(tokens) / result.seconds : 0;
  return result;
}

}  // namespace

RunResult run_training(const TrainOptions& options, const RunObserver& observer) {
  check_options(options);
  make_output(options.out);
  const OutputGuard guard(options.out);
  check_output(options);
  Run run{.options = options,
          .observer = observer,
          .model = model::open_model(options.model, options.adapter, options.dtype, options.threads)};
  load_data(run);
  if (run.max_seq_length < options.max_seq_length) {
    run.warnings.push_back(fmt::format("max_seq_length {} is above the model's positions; using {}",
                                       options.max_seq_length, run.max_seq_length));
  }
  Trainable trainable = options.method == Method::kFull ? make_full(run) : make_lora(run);
  data::Batcher batcher(
      run.data.documents,
      {.batch_size = options.batch_size, .max_seq_length = run.max_seq_length, .seed = options.seed});
  const Index steps = count_steps(options, batcher);
  Trainer trainer(*run.model.decoder, std::move(trainable), trainer_config(options, steps));
  LogFile log(options.out / "log.jsonl");
  const RunPlan plan = make_plan(run, steps);
  if (observer.on_start) observer.on_start(plan);
  RunResult result = train(run, trainer, batcher, steps, log);
  check_result(run);
  save_result(run);
  result.trainable_parameters = plan.trainable_parameters;
  result.peak_rss_bytes = peak_rss_bytes();
  return result;
}

}  // namespace lorry::train
