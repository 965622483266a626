#include "cli/train_options.hpp"

#include <array>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/data_options.hpp"
#include "cli/lora_options.hpp"
#include "cli/shared_options.hpp"
#include "core/option_error.hpp"

namespace lorry::cli {

namespace {

void add_data_options(OptionTable& table, train::TrainOptions& options, std::string out_help) {
  table.group("Data and output");
  Option& data =
      table.add("data", "PATH", bind_data(options.data),
                ".jsonl, .txt, or a folder with train.jsonl; several with weights: a.jsonl:2 b.jsonl");
  data.required = true;
  data.repeated = data.many = true;
  Option& eval_data =
      table.add("eval-data", "PATH", bind_data(options.eval_data),
                "held-out data for the loss before, during and after training (a folder: its valid.jsonl)");
  eval_data.default_text = "valid.jsonl, where --data is a folder that has it";
  eval_data.repeated = eval_data.many = true;
  table.add("out", "DIR", bind_path(options.out), std::move(out_help)).required = true;
  table
      .add("max-seq-length", "TOKENS", bind_integer(options.max_seq_length, 2),
           "longest sequence; short records are packed together up to it, longer ones are cut")
      .default_text = kSequenceDefault;
}

void add_lora_options(OptionTable& table, train::TrainOptions& options) {
  table.group("Method");
  table.add("method", "NAME",
            bind_choice<train::Method>(options.method,
                                       {{"lora", train::Method::kLora}, {"full", train::Method::kFull}}),
            "lora, or full: every weight trains (16 bytes of memory per weight and more)");
  table.group(kLoraGroup);
  table.add("rank", "N", bind_integer(options.lora.r, 1), "rank of the update: its size and capacity");
  table.add(
      "alpha", "X",
      bind_number(options.lora.lora_alpha, {.low = model::kLeastFreshAlpha, .high = model::kMostFreshAlpha}),
      "the update is scaled by alpha / rank");
  table.add("use-rslora", "", bind_switch(options.lora.use_rslora),
            "rsLoRA: the update is scaled by alpha / sqrt(rank)");
  table.add("use-dora", "", bind_switch(options.lora.use_dora),
            "DoRA: every output's direction is learnt by the update, its length by a number of its own");
  table.add("dropout", "P", bind_number(options.lora.lora_dropout, {.low = 0, .high = 1, .high_open = true}),
            "share of the update's inputs dropped while training");
  table.add(
      "target-modules", "NAMES", bind_targets(options.lora.target_modules),
      "layers to adapt: all-linear (all but the head), names separated by commas (q_proj,embed_tokens; on "
      "GPT-2 "
      "these are parts of c_attn), or a regular expression that matches whole names; lorry inspect lists "
      "them");
  add_selection_options(table, options.lora);
  add_start_option(table, options.lora);
}

/// What trains beside A and B.
void add_beside_options(OptionTable& table, train::TrainOptions& options) {
  model::PeftConfig& lora = options.lora;
  table.add("modules-to-save", "NAMES", bind_names(lora.modules_to_save),
            "modules that train in full and are saved with the adapter, by the ends of their names: "
            "lm_head,embed_tokens");
  table.add(
      "bias", "NAME",
      bind_choice<model::BiasTraining>(lora.bias, {model::kBiasWords.begin(), model::kBiasWords.end()}),
      "the model's own biases that train and are saved with the adapter: none, all, or lora_only: those "
      "of the adapted layers");
  table
      .add("trainable-token-indices", "[NAME=]IDS", bind_token_indices(lora.trainable_token_indices),
           "tokens whose rows of the embedding train and are saved with the adapter: 5,17; a tied head "
           "follows; lm_head=5,17: rows of the head")
      .repeated = true;
  table
      .add("add-tokens", "TOKENS", bind_new_tokens(options.add_tokens),
           "special tokens that are new to the tokenizer, separated by commas: their rows of embedding and "
           "head train, and the adapter's folder has the tokenizer that knows them")
      .repeated = true;
  table.add("lora-bias", "", bind_switch(lora.lora_bias), "a trained bias beside every B");
}

/// The first `shown` of the names are told in messages, the others are aliases.
template <class T, std::size_t N>
Binding bind_named(T& to, const std::array<std::pair<std::string_view, T>, N>& names, std::size_t shown) {
  Binding binding = bind_choice<T>(to, {names.begin(), names.end()});
  binding.expected = bind_choice<T>(to, {names.begin(), names.begin() + shown}).expected;
  binding.words.resize(shown);
  return binding;
}

void add_optimizer_options(OptionTable& table, train::TrainOptions& options) {
  optim::OptimizerConfig& optimizer = options.optimizer;
  table.group(kOptimizerGroup);
  table.add("optimizer", "NAME", bind_named(optimizer.kind, optim::kOptimizerNames, optim::kOptimizerKinds),
            "adamw, adamw_8bit (a quarter of the memory for its state), sgd or lion; transformers' names for "
            "these are known");
  table.add("lr", "X", bind_number(options.lr, {.low = 0, .low_open = true}), "highest learning rate")
      .default_text = "2e-4; 2e-5 with --method full";
  table.add("weight-decay", "X", bind_number(optimizer.weight_decay, {.low = 0}),
            "weight decay: decoupled; of sgd, a part of the gradient");
  table
      .add("adam-beta1", "X", bind_number(optimizer.beta1, {.low = 0, .high = 1, .high_open = true}),
           "memory of the gradient's mean, of adamw and lion")
      .default_text = "0.9";
  table
      .add("adam-beta2", "X", bind_number(optimizer.beta2, {.low = 0, .high = 1, .high_open = true}),
           "memory of the mean of its square; of lion, of what the next step starts from")
      .default_text = "0.999; 0.99 with lion";
  table.add("adam-epsilon", "X", bind_number(optimizer.eps, {.low = 0}), "added to the divisor of adamw")
      .default_text = "1e-8";
  table
      .add("momentum", "X", bind_number(optimizer.momentum, {.low = 0, .high = 1, .high_open = true}),
           "of sgd")
      .default_text = "0";
  table.add("nesterov", "", bind_switch(optimizer.nesterov), "Nesterov's momentum, of sgd");
  table.add("loraplus-lr-ratio", "X", bind_number(options.loraplus.lr_ratio, {.low = 1}),
            "LoRA+: B learns at this many times the rate of A; 16 is usual");
  table.add("loraplus-lr-embedding", "X",
            bind_number(options.loraplus.lr_embedding, {.low = 0, .low_open = true}),
            "LoRA+: the rate of adapted embeddings");
  table.add("max-grad-norm", "X", bind_number(options.max_grad_norm, {.low = 0}),
            "longer gradients are scaled down to this norm; 0: never");
  table.add("label-smoothing", "X",
            bind_number(options.label_smoothing, {.low = 0, .high = 1, .high_open = true}),
            "this share of every target is spread over the vocabulary, in the training loss alone");
  table.add("neftune-noise-alpha", "X", bind_number(options.neftune_noise_alpha, {.low = 0}),
            "NEFTune: noise on the embeddings while training, up to X / sqrt(tokens x width); 5 is usual");
}

void add_schedule_options(OptionTable& table, train::TrainOptions& options) {
  optim::ScheduleShape& shape = options.lr_shape;
  table.add("lr-scheduler", "NAME",
            bind_named(options.lr_scheduler, optim::kScheduleNames, optim::kScheduleKinds),
            "how the rate goes on after the warm-up: constant, linear, cosine, cosine_with_min_lr, "
            "cosine_with_restarts, polynomial, warmup_stable_decay (wsd) or inverse_sqrt");
  table.add("warmup-steps", "N", bind_integer(options.warmup_steps, 0),
            "steps over which the rate rises from 0");
  table.add("warmup-ratio", "X", bind_number(options.warmup_ratio, {.low = 0, .high = 1}),
            "the same as a share of all steps");
  table
      .add("min-lr", "X", bind_number(shape.min_lr, {.low = 0}),
           "the rate that cosines, polynomial and wsd fall to")
      .default_text = "0; 1e-7 with polynomial";
  table.add("min-lr-ratio", "X", bind_number(shape.min_lr_ratio, {.low = 0, .high = 1}),
            "the same as a share of --lr");
  table.add("num-cycles", "N", bind_integer(shape.num_cycles, 1), "how often cosine_with_restarts falls")
      .default_text = "1";
  table.add("lr-power", "X", bind_number(shape.power, {.low = 0, .low_open = true}), "of polynomial")
      .default_text = "1";
  table.add("lr-decay-steps", "N", bind_integer(shape.decay_steps, 0), "steps at the end in which wsd falls")
      .default_text = "a tenth of the run";
  std::vector<std::pair<std::string_view, std::optional<optim::DecayShape>>> decays(
      optim::kDecayShapeNames.begin(), optim::kDecayShapeNames.end());
  table
      .add("lr-decay-type", "NAME",
           bind_choice<std::optional<optim::DecayShape>>(shape.decay, std::move(decays)),
           "how wsd falls: cosine, linear or 1-sqrt")
      .default_text = "cosine";
}

void add_duration_options(OptionTable& table, train::TrainOptions& options) {
  table.group("Batches and duration");
  table.add("batch-size", "N", bind_integer(options.batch_size, 1), "sequences computed at once");
  table.add("share-prompts", "", bind_switch(options.share_prompts),
            "records with the same prompt come in the same batch, where it is computed once for all of them");
  table.add("grad-accumulation-steps", "N", bind_integer(options.grad_accumulation_steps, 1),
            "batches per step: as one batch N times as large, in the memory of one");
  table.add("steps", "N", bind_integer(options.steps, 1), "optimiser steps; instead of --epochs");
  table.add("epochs", "X", bind_number(options.epochs, {.low = 0, .low_open = true}),
            "passes over the data; fractions are fine");
  table.add("eval-steps", "N", bind_integer(options.eval_steps, 0),
            "held-out loss every N steps; 0: at the start and the end only");
}

void add_compute(OptionTable& table, train::TrainOptions& options) {
  add_compute_options(table, ComputeFlags{options.dtype, options.int8, options.threads});
  table.add(
      "grad-checkpoint", "", bind_switch(options.grad_checkpoint),
      "recompute activations in the backward pass: less memory, about a third more time, the same result");
  add_memory_option(table, options.memory_budget);
  table.add("seed", "N", bind_seed(options.seed),
            "fixes the order of the data, the start of the adapter, dropout");
}

}  // namespace

void add_train_options(OptionTable& table, train::TrainOptions& options, std::string out_help) {
  add_data_options(table, options, std::move(out_help));
  add_reading_options(table, options.reading);
  add_lora_options(table, options);
  add_beside_options(table, options);
  add_optimizer_options(table, options);
  add_schedule_options(table, options);
  add_duration_options(table, options);
  add_compute(table, options);
}

void add_checkpoint_options(OptionTable& table, train::TrainOptions& options) {
  table.group("Checkpoints");
  table.add("save-steps", "N", bind_integer(options.save_steps, 0),
            "writes OUT/checkpoint-STEP every N steps; 0: only where Ctrl-C or SIGTERM stops the run");
  table.add("save-total-limit", "N", bind_integer(options.save_total_limit, 0),
            "checkpoints that stay: the newest N, and the best one; 0: all");
  table.add("resume", "", bind_switch(options.resume),
            "goes on from the last checkpoint in --out, to the same bits as without the stop; starts afresh "
            "where there is none; does nothing where the run is finished");
  table.add(
      "early-stopping-patience", "N", bind_integer(options.early_stopping_patience, 0),
      "stops after N evaluations in a row without a lower held-out loss (needs --eval-steps); 0: never");
  table.add("load-best-model-at-end", "", bind_switch(options.load_best_model_at_end),
            "the result is that of the evaluation with the lowest held-out loss, not of the last step (needs "
            "--eval-steps)");
}

bool belongs_to_run(const Option& option, const train::TrainOptions& options) {
  if (option.name == "resume") return false;  // the file starts a new run
  if (option.name == "epochs") return !options.steps.has_value();
  const bool fresh_lora = options.method == train::Method::kLora && options.adapter.empty();
  return fresh_lora || option.group != kLoraGroup;
}

void choose_duration(const OptionTable& table, train::TrainOptions& options) {
  const Source steps = table.source("steps");
  const Source epochs = table.source("epochs");
  if (steps == Source::kDefault) return;
  constexpr const char* kBoth = "[train] --steps, --epochs: found both; expected one of them";
  if (steps == epochs) throw OptionError("{}", kBoth);
  if (epochs == Source::kFlag) options.steps.reset();
}

void check_lora_options(const OptionTable& table, const train::TrainOptions& options) {
  const bool full = options.method == train::Method::kFull;
  if (!full && options.adapter.empty()) return;
  for (const Option& option : table.options()) {
    if (option.group != kLoraGroup || option.source == Source::kDefault) continue;
    const std::string fault =
        fmt::format("[train] --{}: has no effect with {}; expected it without", option.name,
                    full ? "--method full" : "--adapter, which brings its own");
    throw OptionError("{}", fault);
  }
}

}  // namespace lorry::cli
