// `lorry train`: options to train::run_training.
#include <fmt/format.h>

#include <memory>
#include <optional>

#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/shared_options.hpp"
#include "cli/stop_signals.hpp"
#include "cli/train_options.hpp"
#include "cli/train_report.hpp"
#include "cli/usage_error.hpp"
#include "cli/xray_report.hpp"
#include "io/text_file.hpp"

namespace lorry::cli {

namespace {

constexpr const char* kNotes =
    R"(Data: .jsonl with {"text": ...} or {"prompt": ..., "completion": ...} per line (loss on the completion alone),
or a .txt. A folder means its train.jsonl, and valid.jsonl for held-out loss.

Output: a PEFT adapter (with --method full: a model folder), train.yaml with the options as resolved, log.jsonl.
Ctrl-C and SIGTERM save a checkpoint and leave (exit code 130 or 143); the same command with --resume goes on.

Examples:
  lorry train --model llama-3.2-1b --data data.jsonl --out my-adapter
  lorry train --model llama-3.2-1b --data data/ --out my-adapter --rank 16 --lr 1e-4 --epochs 3 --eval-steps 50
  lorry train --model llama-3.2-1b --data data/ --out my-adapter --save-steps 100 --save-total-limit 2 --resume
  lorry train --config my-adapter/train.yaml --out second --seed 1
)";

struct Flags {
  train::TrainOptions train;
  bool json = false;
};

void write_config(const OptionTable& table, const train::TrainOptions& options) {
  const bool fresh_lora = options.method == train::Method::kLora && options.adapter.empty();
  const std::string yaml = to_yaml(table, [&](const Option& option) {
    if (option.name == "resume") return false;  // the file starts a new run
    if (option.name == "epochs") return !options.steps.has_value();
    return fresh_lora || option.group != kLoraGroup;
  });
  io::write_text_file(
      options.out / kTrainConfigFile,
      fmt::format("# Repeats this run: lorry train --config {} --out NEW\n{}", kTrainConfigFile, yaml));
}

void print_result(const Flags& flags, const train::RunResult& result, const train::Xray* xray) {
  io::OrderedJson json = train_json(flags.train, result);
  std::string text = train_summary(flags.train, result);
  if (xray != nullptr && !xray->history().empty()) {
    const std::vector<train::Advice> advice = train::advise(xray->history());
    json["advice"] = train::to_json(advice);
    text = xray_modules(xray->history().back()).to_text() + advice_text(advice) + text;
  }
  if (flags.json) {
    print_json(json);
  } else {
    print_out(text);
  }
}

void run(const OptionTable& table, Flags& flags) {
  train::TrainOptions& options = flags.train;
  choose_duration(table, options);
  check_lora_options(table, options);
  if (flags.train.xray_steps > 0 && options.method == train::Method::kFull) {
    throw UsageError(
        "[train] --xray-steps: has no effect with --method full; expected it without (lorry analyze takes "
        "the "
        "tuned model when it is done)");
  }
  use_base_model(options.model, options.adapter);
  options.lr = options.learning_rate();
  TrainReport report(options);
  std::optional<train::Xray> xray;
  if (flags.train.xray_steps > 0) {
    xray.emplace(
        flags.train.xray_steps, [&](const train::XrayReport& measured) { report.xray(measured); },
        options.threads);
  }
  train::RunObserver observer;
  observer.on_start = [&](const train::RunPlan& plan) {
    options.dtype = plan.dtype;
    options.max_seq_length = plan.max_seq_length;
    write_config(table, options);
    report.start(plan);
  };
  observer.on_step = [&](const train::StepReport& step) { report.step(step); };
  observer.on_evaluation = [&](Index step, const train::Evaluation& evaluation) {
    report.evaluation(step, evaluation);
  };
  if (xray) {
    observer.monitor = [&](const train::LiveRun& live) { xray->look(live); };
    observer.save_state = [&](const std::filesystem::path& folder) { xray->save(folder); };
    observer.load_state = [&](const std::filesystem::path& folder) { xray->load(folder); };
  }
  const StopSignals signals;
  observer.stop_requested = [] { return StopSignals::received() != 0; };
  const train::RunResult result = train::run_training(options, observer);
  report.finish(result);
  if (result.end == train::RunEnd::kInterrupted) {
    print_note(interrupted_line(result));
    throw Interrupted{StopSignals::received()};
  }
  print_result(flags, result, xray ? &*xray : nullptr);
}

}  // namespace

Command make_train_command() {
  const auto flags = std::make_shared<Flags>();
  Command command{.name = "train", .purpose = "Fine-tunes a model on your data.", .notes = kNotes};
  OptionTable& table = command.options;
  add_model_options(table, flags->train.model, flags->train.adapter,
                    "go on from this adapter instead of a fresh one");
  add_train_options(table, flags->train, "where the result goes; must not hold one yet (but see --resume)");
  add_checkpoint_options(table, flags->train);
  table.group("X-ray");
  table.add("xray-steps", "N", bind_integer(flags->train.xray_steps, 0),
            "every N steps, and at the end: which directions each update uses, whether they have settled, "
            "what they "
            "amplify; then advice on rank and duration. 0: never");
  add_json_option(table, flags->json, "the result as one JSON object on standard output");
  command.run = [flags](OptionTable& options) { run(options, *flags); };
  return command;
}

}  // namespace lorry::cli
