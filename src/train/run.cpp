#include "train/run.hpp"

#include <cmath>
#include <utility>

#include "core/check.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "io/scratch_file.hpp"
#include "train/check_run.hpp"
#include "train/checkpoints.hpp"
#include "train/diverged.hpp"
#include "train/duration.hpp"
#include "train/loop.hpp"
#include "train/memory_budget.hpp"
#include "train/optimizer_options.hpp"
#include "train/output_folder.hpp"
#include "train/resume.hpp"
#include "train/settings.hpp"
#include "train/trainee.hpp"

namespace lorry::train {

namespace {

RunPlan make_plan(const RunInputs& inputs, const Trainee& trainee, Index steps) {
  RunPlan plan{.steps = steps,
               .max_seq_length = inputs.max_seq_length,
               .trainable_parameters = trainee.count_parameters(),
               .model_parameters = model::count_weights(inputs.model.config),
               .dtype = trainee.decoder().compute(),
               .int8 = inputs.model.int8,
               .cpu = inputs.model.ops->description(),
               .data = inputs.data.statistics,
               .data_format = inputs.data.format,
               .warnings = inputs.warnings};
  if (inputs.eval_data) plan.eval_data = inputs.eval_data->statistics;
  if (const model::Adapter* adapter = trainee.adapter()) {
    plan.adapted_modules = static_cast<Index>(adapter->entries().size());
  }
  if (plan.int8 != nn::Int8Products::kNone && plan.dtype == DType::kBF16 && inputs.model.ops->fast_bf16()) {
    plan.warnings.push_back(
        fmt::format("--compute {}: this CPU multiplies bf16 in hardware; integers may be slower here "
                    "(--profile shows it)",
                    nn::word_of(plan.int8)));
  }
  const std::vector<std::string> warnings = trainee.warnings();
  plan.warnings.insert(plan.warnings.end(), warnings.begin(), warnings.end());
  return plan;
}

TrainerConfig trainer_config(const TrainOptions& options, Index steps) {
  return {.optimizer = options.optimizer,
          .loraplus = options.loraplus,
          .schedule = make_schedule(options, steps),
          .max_grad_norm = options.max_grad_norm,
          .total_steps = steps,
          .grad_checkpoint = options.grad_checkpoint,
          .dropout_seed = options.seed,
          .label_smoothing = static_cast<float>(options.label_smoothing),
          .neftune_noise_alpha = static_cast<float>(options.neftune_noise_alpha)};
}

/// What a run is known by when it goes on.
RunRecord make_record(const RunInputs& inputs, const TrainOptions& options) {
  TrainOptions resolved = options;
  resolved.max_seq_length = inputs.max_seq_length;
  resolved.dtype = inputs.model.decoder->compute();
  return {.state = {},
          .settings = settings_of(resolved),
          .inputs = inputs_of(options, inputs),
          .cpu = inputs.model.ops->description()};
}

/// The last checkpoint of an earlier start of this run; nothing for a run that starts afresh. Throws Error
/// where it is one of another run.
std::optional<RunRecord> find_start(const TrainOptions& options, const RunRecord& now) {
  const std::vector<Index> steps = options.resume ? find_checkpoints(options.out) : std::vector<Index>();
  if (steps.empty()) return std::nullopt;
  const std::filesystem::path folder = checkpoint_folder(options.out, steps.back());
  RunRecord then = read_run_record(folder);
  check_same_run(folder, then, now);
  if (then.state.step != steps.back()) {
    throw Error("[train] --resume: {}: holds the state after step {}; expected the folder under its own name",
                folder.string(), then.state.step);
  }
  return then;
}

/// Of a run that its folder holds the result of.
RunRecord read_finished(const TrainOptions& options, const RunRecord& now) {
  RunRecord then = read_run_record(options.out);
  check_same_run(options.out, then, now);
  return then;
}

RunResult make_result(const RunState& state, RunEnd end) {
  return {.end = end,
          .steps = state.step,
          .loss = state.loss,
          .tokens_per_second = state.seconds > 0 ? static_cast<double>(state.tokens) / state.seconds : 0,
          .seconds = state.seconds,
          .peak_rss_bytes = state.peak_rss_bytes,
          .trainable_parameters = state.trainable_parameters,
          .first_evaluation = state.first_evaluation,
          .last_evaluation = state.last_evaluation,
          .best = state.best};
}

/// Writes the result, or that of the best checkpoint.
void save_result(const Loop& loop, const RunState& state, Trainee& trainee) {
  const TrainOptions& options = loop.options;
  if (options.load_best_model_at_end && state.best) {
    const std::filesystem::path best = checkpoint_folder(options.out, state.best->step);
    if (state.best->step != state.step) trainee.load_checkpoint(best);
    loop.log.write(
        {{"step", state.step}, {"best_step", state.best->step}, {"best_eval_loss", state.best->loss}});
  }
  loop.log.sync();
  trainee.save(options.out);
}

/// What the loop and its checkpoints come to. `record`: null for a run that keeps none.
RunResult run_to_end(Loop& loop, RunState& state, RunRecord* record, const RunParts& parts) {
  const TrainOptions& options = loop.options;
  if (record != nullptr) {
    loop.save = [&, record] {
      loop.log.sync();
      record->state = state;
      save_checkpoint(options.out, *record, parts);
      const bool keep_best = options.keeps_best() && state.best;
      rotate_checkpoints(options.out, options.save_total_limit,
                         keep_best ? std::optional(state.best->step) : std::nullopt);
    };
  }
  const RunEnd end = run_steps(loop, state);
  RunResult result = make_result(state, end);
  if (end == RunEnd::kInterrupted) {
    if (record != nullptr && state.step > 0) result.checkpoint = checkpoint_folder(options.out, state.step);
    return result;
  }
  if (loop.profiler != nullptr) result.profile = loop.profiler->result();
  if (result.profile) loop.log.write({{"step", state.step}, {"profile", to_json(*result.profile)}});
  result.warnings = loop.watch.warnings(result.first_evaluation, result.last_evaluation);
  if (record != nullptr) {
    record->state = state;
    write_run_record(options.out, *record);  // before the weights, which make the run a finished one
  }
  save_result(loop, state, parts.trainee);
  if (loop.streamed != nullptr) result.streamed = {loop.streamed->steps(), loop.streamed->work()};
  return result;
}

/// In the output folder, with all the room that it will need: a disk that is full should say so now. Empty
/// where all block inputs are in memory.
std::optional<io::ScratchFile> make_scratch(const RunInputs& inputs, const TrainOptions& options) {
  if (inputs.scratch.block_inputs == 0) return std::nullopt;
  io::ScratchFile file(options.out, "block inputs");
  file.reserve(inputs.scratch.bytes);
  return file;
}

/// A run whose output folder is held already. `record`: null for a run that keeps no checkpoints.
RunResult run_held(RunInputs& inputs, const TrainOptions& options, const RunObserver& observer,
                   RunRecord* record) {
  check_stopping(options, inputs);
  std::optional<Profiler> profiler;
  if (options.profile) profiler.emplace(inputs.model);
  keep_to_budget(inputs, options);
  std::optional<io::ScratchFile> scratch = make_scratch(inputs, options);
  std::optional<StreamedSteps> streamed;
  if (inputs.model.weights.stream()) streamed.emplace(inputs, options);
  if (observer.on_open) observer.on_open(inputs);
  const std::optional<RunRecord> start = record != nullptr ? find_start(options, *record) : std::nullopt;
  RunState state = start ? start->state : RunState{};
  model::use_int8(inputs.model, options.int8, options.threads);
  Trainee trainee(inputs, options);
  if (options.int8 != nn::Int8Products::kNone) inputs.model.weights.release_pages();  // that starts have read
  data::Batcher batcher(inputs.data.view(), batcher_options(inputs, options));
  const Index steps = count_steps(options, batcher);
  Trainer trainer(trainee.decoder(), trainee.trainable(), trainer_config(options, steps));
  if (scratch) trainer.workspace().inputs.use_file(std::move(*scratch), inputs.scratch.block_inputs);
  const RunParts parts = {.trainee = trainee, .trainer = trainer, .batcher = batcher, .observer = observer};
  if (start) load_checkpoint(checkpoint_folder(options.out, state.step), state, parts);
  state.trainable_parameters = trainee.count_parameters();
  LogFile log(options.out / kLogFile, state.log_bytes);
  log.listen(observer.on_log);
  if (observer.on_start) {
    RunPlan plan = make_plan(inputs, trainee, steps);
    plan.first_step = state.step;
    if (start && start->cpu != plan.cpu) {
      plan.warnings.push_back(fmt::format(
          "the run began on other hardware ({}); numbers may differ in the last bits", start->cpu));
    }
    observer.on_start(plan);
  }
  RunWatch watch;
  Loop loop = {.inputs = inputs,
               .options = options,
               .observer = observer,
               .trainee = trainee,
               .trainer = trainer,
               .batcher = batcher,
               .log = log,
               .watch = watch,
               .steps = steps,
               .streamed = streamed ? &*streamed : nullptr,
               .profiler = profiler ? &*profiler : nullptr};
  try {
    return run_to_end(loop, state, record, parts);
  } catch (const Diverged& diverged) {
    const std::vector<Index> saved = find_checkpoints(options.out);
    if (saved.empty()) throw;
    throw Diverged("{}; the last good state is {} (a new run goes on from it with --{})", diverged.what(),
                   checkpoint_folder(options.out, saved.back()).string(),
                   options.method == Method::kFull ? "model" : "adapter");
  }
}

}  // namespace

RunResult run_training(const TrainOptions& options, const RunObserver& observer) {
  check_options(options);
  const OutputFolder held(options);
  RunInputs inputs = open_inputs(options);
  RunRecord record = make_record(inputs, options);
  if (held.finished()) return make_result(read_finished(options, record).state, RunEnd::kFinishedEarlier);
  remove_unfinished_checkpoints(options.out);
  return run_held(inputs, options, observer, &record);
}

RunResult run_on(RunInputs& inputs, const TrainOptions& options, const RunObserver& observer) {
  LORRY_CHECK(!options.resume && options.save_steps == 0 && !options.keeps_best() && !options.profile);
  check_options(options);
  const OutputFolder held(options);
  const auto leave = [&] { model::use_int8(inputs.model, nn::Int8Products::kNone, options.threads); };
  try {
    RunResult result = run_held(inputs, options, observer, nullptr);
    leave();
    return result;
  } catch (...) {
    leave();
    throw;
  }
}

Index check_earlier_start(const RunInputs& inputs, const TrainOptions& options, bool finished) {
  if (!options.resume) return 0;
  const RunRecord now = make_record(inputs, options);
  if (finished) return read_finished(options, now).state.step;
  const std::optional<RunRecord> start = find_start(options, now);
  return start ? start->state.step : 0;
}

}  // namespace lorry::train
