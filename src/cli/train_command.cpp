// `lorry train`: options to train::run_training.
#include <fmt/format.h>

#include <filesystem>
#include <functional>
#include <memory>

#include "cli/command.hpp"
#include "cli/observation.hpp"
#include "cli/output.hpp"
#include "cli/plan_report.hpp"
#include "cli/run_report.hpp"
#include "cli/shared_options.hpp"
#include "cli/stop_signals.hpp"
#include "cli/train_options.hpp"
#include "cli/train_report.hpp"
#include "cli/xray_report.hpp"
#include "core/machine.hpp"
#include "core/option_error.hpp"
#include "io/text_file.hpp"
#include "train/check_run.hpp"
#include "train/diverged.hpp"
#include "train/output_folder.hpp"

namespace lorry::cli {

namespace {

constexpr const char* kTrainNotes =
    R"(Data: .jsonl with {"text": ...} or {"prompt": ..., "completion": ...} per line (loss on the completion alone),
or a .txt. A folder means its train.jsonl, and valid.jsonl for held-out loss.

Output: a PEFT adapter (with --method full: a model folder), train.yaml with the options as resolved, log.jsonl, curves
for TensorBoard in runs/ (tensorboard --logdir OUT), and report.html to be opened in a browser.
Ctrl-C and SIGTERM save a checkpoint and leave (exit code 130 or 143); the same command with --resume goes on.

Examples:
  lorry train --model llama-3.2-1b --data data.jsonl --out my-adapter
  lorry train --model llama-3.2-1b --data data/ --out my-adapter --rank 16 --lr 1e-4 --epochs 3 --eval-steps 50
  lorry train --model llama-3.2-1b --data data/ --out my-adapter --save-steps 100 --save-total-limit 2 --resume
  lorry train --config my-adapter/train.yaml --out second --seed 1
)";

struct TrainFlags {
  train::TrainOptions train;
  ObservationFlags observation;
  bool dry_run = false;
  bool json = false;
};

/// Which options repeat this run.
std::function<bool(const Option&)> repeating(const TrainFlags& flags) {
  return [&flags](const Option& option) {
    return belongs_to_run(option, flags.train) && is_repeatable(option, flags.observation);
  };
}

/// Writes OUT/train.yaml and returns what stands in it.
std::string write_config(const OptionTable& table, const TrainFlags& flags) {
  std::string yaml = to_yaml(table, repeating(flags));
  io::write_text_file(
      flags.train.out / kTrainConfigFile,
      fmt::format("# Repeats this run: lorry train --config {} --out NEW\n{}", kTrainConfigFile, yaml));
  return yaml;
}

void print_result(const TrainFlags& flags, const train::RunResult& result, const RunStory& story,
                  const train::Xray* xray) {
  io::OrderedJson json = train_json(flags.train, result);
  std::string text = train_summary(flags.train, result);
  if (xray != nullptr && !xray->history().empty()) {
    json["advice"] = train::to_json(story.advice);
    text = xray_modules(xray->history().back()).to_text() + advice_text(story.advice) + text;
  }
  if (flags.json) {
    print_json(json);
  } else {
    print_out(text);
  }
}

/// Trains, and leaves a report however that ends.
train::RunResult train_and_report(const OptionTable& table, const train::TrainOptions& options,
                                  const train::RunObserver& observer, const Observation& observation,
                                  RunStory& story) {
  try {
    train::RunResult result = train::run_training(options, observer);
    if (const train::Xray* xray = observation.xray()) story.advice = train::advise(xray->history());
    const bool there = std::filesystem::exists(options.out / train::kRunPageFile);
    // A run that was killed before its report was written gets it now.
    const bool done_before = result.end == train::RunEnd::kFinishedEarlier && there;
    if (result.steps > 0 && !done_before) write_run_report(table, options, story, result);
    return result;
  } catch (const train::Diverged& diverged) {
    write_run_report(table, options, story, diverged.what());
    throw;
  }
}

/// What the run would be, without it; refuses and warns as it does.
void print_plan(const OptionTable& table, TrainFlags& flags) {
  train::TrainOptions& options = flags.train;
  train::check_options(options);
  const bool finished = train::check_output_folder(options);
  train::RunInputs inputs = train::open_inputs(options);
  const train::DryRun plan = train::plan_run(inputs, options);
  const Index done = train::check_earlier_start(inputs, options, finished);
  train::check_event_folder(options.out, flags.observation.logging_dir);
  options.dtype = inputs.model.decoder->compute();
  options.max_seq_length = inputs.max_seq_length;
  for (const std::string& warning : plan.warnings) print_note("warning: " + warning);
  if (done > 0) {
    print_note(fmt::format("note: {} of {} steps are done already{}", done, plan.steps,
                           finished ? ": the run is finished, and would do nothing" : ""));
  }
  const train::StepTime time = train::predict_step_time(inputs, plan.size, options);
  if (flags.json) return print_json(dry_run_json(options_json(table, repeating(flags)), plan, time));
  print_out(to_yaml(table, repeating(flags)) + "\n" + dry_run_text(options, plan, time));
}

void warn_of_memory(train::RunInputs& inputs, const train::TrainOptions& options) {
  const train::RunSize size = train::measure_run(inputs.model, options);
  const auto warning =
      train::memory_warning(train::predict_memory(inputs, size, options), options.method, available_memory());
  if (warning) print_note("warning: " + *warning);
}

void run(const OptionTable& table, TrainFlags& flags) {
  train::TrainOptions& options = flags.train;
  choose_duration(table, options);
  check_lora_options(table, options);
  check_observation(table, flags.observation, options);
  use_base_model(options.model, options.adapter);
  options.lr = options.learning_rate();
  TrainReport report(options);
  Observation observation(flags.observation, options, report);
  if (flags.dry_run) return print_plan(table, flags);
  RunStory story{.started = std::time(nullptr)};
  train::RunObserver observer;
  observer.on_open = [&](train::RunInputs& inputs) { warn_of_memory(inputs, options); };
  observer.on_start = [&](const train::RunPlan& plan) {
    options.dtype = plan.dtype;
    options.max_seq_length = plan.max_seq_length;
    observation.start(plan, write_config(table, flags));
    report.start(plan);
    story.steps = plan.steps;
    story.first_step = plan.first_step;
    story.setup = report.setup();
    story.computing = report.computing();
  };
  observer.on_step = [&](const train::StepReport& step) { report.step(step); };
  observer.on_evaluation = [&](Index step, const train::Evaluation& evaluation) {
    report.evaluation(step, evaluation);
  };
  observation.connect(observer);
  const StopSignals signals("after this step, with a checkpoint");
  observer.stop_requested = [] { return StopSignals::received() != 0; };
  const train::RunResult result = train_and_report(table, options, observer, observation, story);
  report.finish(result);
  if (result.end == train::RunEnd::kInterrupted) {
    print_note(interrupted_line(result));
    throw Interrupted{StopSignals::received()};
  }
  print_result(flags, result, story, observation.xray());
}

}  // namespace

Command make_train_command() {
  const auto flags = std::make_shared<TrainFlags>();
  Command command{.name = "train", .purpose = "Fine-tunes a model on your data.", .notes = kTrainNotes};
  OptionTable& table = command.options;
  add_model_options(table, flags->train.model, flags->train.adapter,
                    "go on from this adapter instead of a fresh one");
  add_train_options(table, flags->train, "where the result goes; must not hold one yet (but see --resume)");
  add_checkpoint_options(table, flags->train);
  add_observation_options(table, flags->observation, flags->train);
  table.group("Plan");
  table
      .add("dry-run", "", bind_switch(flags->dry_run),
           "prints the options as resolved, what trains, steps, tokens, memory and time; writes nothing")
      .in_config = false;
  add_json_option(table, flags->json, "the result as one JSON object on standard output");
  command.run = [flags](OptionTable& options) { run(options, *flags); };
  return command;
}

}  // namespace lorry::cli
