// `lorry estimate`: memory and time of a training run, before it.
#include <memory>

#include "cli/command.hpp"
#include "cli/observation.hpp"
#include "cli/output.hpp"
#include "cli/plan_report.hpp"
#include "cli/shared_options.hpp"
#include "cli/train_options.hpp"
#include "core/machine.hpp"
#include "train/check_run.hpp"
#include "train/memory_budget.hpp"

namespace lorry::cli {

namespace {

constexpr const char* kEstimateNotes =
    R"(Takes the options of lorry train, so that its command line or config can be given as it is; nothing is written.
What does not bear on memory and time, such as --out, --seed and what is observed, has no effect. Without --data, batches are taken to be full, of documents as long as --max-seq-length, and every
token to be learnt. Weights are not read: memory follows from config.json and the headers of the safetensors, time from
a few seconds of measurements on made-up weights of the same shapes.

Examples:
  lorry estimate --model llama-3.2-1b --batch-size 4 --max-seq-length 1024
  lorry estimate --config run.yaml --memory-only
)";

struct EstimateFlags {
  train::TrainOptions train;
  ObservationFlags observation;
  bool dry_run = false;
  bool memory_only = false;
  bool json = false;
};

train::RunInputs open(const train::TrainOptions& options) {
  if (!options.data.empty()) return train::open_inputs(options);
  const model::VocabularyChange vocabulary = {.adapter = options.adapter, .added_tokens = options.add_tokens};
  train::RunInputs inputs{.model =
                              model::open_base(options.model, vocabulary, options.dtype, options.threads)};
  inputs.max_seq_length = options.sequence_length(inputs.model.config.max_position_embeddings);
  return inputs;
}

void run(const OptionTable& table, EstimateFlags& flags) {
  train::TrainOptions& options = flags.train;
  choose_duration(table, options);
  check_lora_options(table, options);
  check_observation(table, flags.observation, options);
  use_base_model(options.model, options.adapter);
  train::RunInputs inputs = open(options);
  train::check_run(inputs, options);
  const std::optional<Index> available = available_memory();
  const bool has_data = !options.data.empty();
  Index steps = options.steps.value_or(0);
  train::RunSize size;
  train::MemoryParts memory;
  std::vector<std::string> warnings;
  if (has_data) {
    const train::DryRun plan = train::plan_run(inputs, options);
    size = plan.size;
    memory = plan.memory;
    steps = plan.steps;
    warnings = plan.warnings;
  } else {
    size = train::measure_run(inputs.model, options);
    train::keep_to_budget(inputs, options);
    memory = train::predict_memory(inputs, size, options);
    warnings = size.warnings;
    const auto warning = train::memory_warning(memory, options.method, available);
    if (warning) warnings.push_back(*warning);
  }
  for (const std::string& warning : warnings) print_note("warning: " + warning);
  io::OrderedJson json = {{"memory", train::to_json(memory)}, {"trainable_parameters", size.trainable}};
  if (available) json["available_memory"] = *available;
  std::string text = memory_text(memory, available);
  if (!flags.memory_only) {
    const train::StepTime time = train::predict_step_time(inputs, size, options);
    json.update(time_json(time, steps));
    text += "\n" + time_text(time, steps);
  }
  if (flags.json) {
    print_json(json);
  } else {
    print_out(text);
  }
}

}  // namespace

Command make_estimate_command() {
  const auto flags = std::make_shared<EstimateFlags>();
  Command command{
      .name = "estimate", .purpose = "Predicts memory and time of a training run.", .notes = kEstimateNotes};
  OptionTable& table = command.options;
  add_model_options(table, flags->train.model, flags->train.adapter,
                    "go on from this adapter instead of a fresh one");
  add_train_options(table, flags->train, "as for lorry train; nothing is written");
  for (const char* name : {"data", "out"}) table.find(name)->required = false;
  add_checkpoint_options(table, flags->train);
  add_observation_options(table, flags->observation, flags->train);
  table.group("Estimate");
  table.add("dry-run", "", bind_switch(flags->dry_run), "of lorry train's command line; nothing runs anyway")
      .in_config = false;
  table.add("memory-only", "", bind_switch(flags->memory_only), "measures nothing, and says nothing of time")
      .in_config = false;
  add_json_option(table, flags->json, "the result as one JSON object on standard output");
  command.run = [flags](OptionTable& options) { run(options, *flags); };
  return command;
}

}  // namespace lorry::cli
