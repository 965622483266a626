#include "cli/aliases.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace lorry::cli {

namespace {

using Text = std::optional<std::string>;

Text as_switch(std::string_view text, const char* yes, const char* no) {
  constexpr std::array<std::string_view, 5> kYes = {"true", "True", "yes", "on", "1"};
  constexpr std::array<std::string_view, 5> kNo = {"false", "False", "no", "off", "0"};
  if (std::find(kYes.begin(), kYes.end(), text) != kYes.end()) return yes;
  if (std::find(kNo.begin(), kNo.end(), text) != kNo.end()) return no;
  return std::nullopt;
}

Text boolean(std::string_view text) {
  return as_switch(text, "true", "false");
}
Text opposite(std::string_view text) {
  return as_switch(text, "false", "true");
}
/// "auto" leaves the type to the machine.
Text bf16_or_f32(std::string_view text) {
  return text == "auto" ? Text("auto") : as_switch(text, "bf16", "f32");
}
Text all_linear_if_true(std::string_view text) {
  return as_switch(text, "all-linear", "");
}
Text mlp_if_true(std::string_view text) {
  return as_switch(text, "gate_proj,up_proj,down_proj", "");
}
Text head_if_true(std::string_view text) {
  return as_switch(text, "lm_head", "");
}

Text translated(std::string_view text,
                std::initializer_list<std::pair<std::string_view, std::string_view>> words) {
  for (const auto& [theirs, ours] : words) {
    if (text == theirs) return std::string(ours);
  }
  return std::nullopt;
}

Text method(std::string_view text) {
  return translated(text, {{"lora", "lora"}, {"full", "full"}});
}
/// LLaMA-Factory's word for every linear layer.
Text targets(std::string_view text) {
  return text == "all" ? "all-linear" : std::string(text);
}
/// torchtune calls o_proj what it is.
Text attention_modules(std::string_view text) {
  std::string names(text);
  constexpr std::string_view kTheirs = "output_proj";
  for (std::size_t at = names.find(kTheirs); at != std::string::npos; at = names.find(kTheirs)) {
    names.replace(at, kTheirs.size(), "o_proj");
  }
  return names;
}
/// "torchtune.models.llama3_2.lora_llama3_2_1b": how it trains; what it is, the model's folder says.
Text method_of_builder(std::string_view text) {
  if (!text.starts_with("torchtune.models.")) return std::nullopt;
  const std::string_view builder = text.substr(text.rfind('.') + 1);
  if (builder.starts_with("qlora_") || builder.starts_with("dora_")) return std::nullopt;
  return builder.starts_with("lora_") ? "lora" : "full";
}
Text optimizer_class(std::string_view text) {
  return translated(text, {{"torch.optim.AdamW", "adamw"},
                           {"torch.optim.SGD", "sgd"},
                           {"bitsandbytes.optim.AdamW8bit", "adamw_8bit"},
                           {"bitsandbytes.optim.PagedAdamW8bit", "adamw_8bit"},
                           {"torchao.optim.AdamW8bit", "adamw_8bit"}});
}
Text schedule_class(std::string_view text) {
  return translated(text, {{"torchtune.training.lr_schedulers.get_cosine_schedule_with_warmup", "cosine"},
                           {"torchtune.modules.get_cosine_schedule_with_warmup", "cosine"}});
}
Text mlx_schedule(std::string_view text) {
  return translated(text, {{"cosine_decay", "cosine"}, {"linear_schedule", "linear"}});
}

/// mlx-lm adapts the last N layers, with -1 all.
Text last_layers(std::string_view text) {
  if (text == "-1") return "all";
  const bool number = !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  if (!number || text.find_first_not_of('0') == std::string_view::npos) return std::nullopt;
  return fmt::format("-{}", text);
}

constexpr std::string_view kSwitch = "true or false";
constexpr std::string_view kMethods = "lora or full";
constexpr std::string_view kAnything = "text";

constexpr Alias same(std::string_view name, std::string_view option) {
  return {.name = name, .option = option};
}
constexpr Alias turned_on(std::string_view name, std::string_view option) {
  return {.name = name, .option = option, .convert = boolean, .expected = kSwitch, .is_switch = true};
}
constexpr Alias turned_off(std::string_view name, std::string_view option) {
  return {.name = name, .option = option, .convert = opposite, .expected = kSwitch, .is_switch = true};
}
constexpr Alias translated_by(std::string_view name, std::string_view option,
                              Text (*convert)(std::string_view), std::string_view expected) {
  return {.name = name, .option = option, .convert = convert, .expected = expected};
}
constexpr Alias part_of_targets(std::string_view name, Text (*convert)(std::string_view), bool is_switch) {
  return {.name = name,
          .option = "target-modules",
          .convert = convert,
          .expected = is_switch ? kSwitch : kAnything,
          .is_switch = is_switch,
          .joins = true};
}

constexpr std::array kGeneral = {
    same("model-name-or-path", "model"),
    same("base-model", "model"),
    same("lora-model-dir", "adapter"),
    same("adapter-name-or-path", "adapter"),
    same("dataset", "data"),
    same("datasets", "data"),
    same("cutoff-len", "max-seq-length"),
    same("sequence-len", "max-seq-length"),
    same("max-seq-len", "max-seq-length"),
    same("template", "chat-template"),
    turned_on("train-on-input", "train-on-prompt"),
    turned_on("train-on-inputs", "train-on-prompt"),
    turned_off("mask-prompt", "train-on-prompt"),
    turned_off("assistant-loss-only", "train-on-prompt"),
    same("text-feature", "text-key"),
    same("prompt-feature", "prompt-key"),
    same("completion-feature", "completion-key"),
    same("chat-feature", "messages-key"),
    same("field-messages", "messages-key"),
    same("max-tokens", "max-new-tokens"),
    same("temp", "temperature"),
};

constexpr std::array kTraining = {
    // mlx-lm
    same("adapter-path", "out"),
    translated_by("fine-tune-type", "method", method, kMethods),
    same("iters", "steps"),
    same("save-every", "save-steps"),
    same("steps-per-eval", "eval-steps"),
    same("lora-parameters.rank", "rank"),
    same("lora-parameters.alpha", "alpha"),
    Alias{.name = "lora-parameters.scale", .option = "alpha", .per_rank = true},
    same("lora-parameters.dropout", "dropout"),
    same("lora-parameters.keys", "target-modules"),
    translated_by("num-layers", "layers-to-transform", last_layers,
                  "an integer of at least 1, or -1 for all"),
    translated_by("lora-layers", "layers-to-transform", last_layers,
                  "an integer of at least 1, or -1 for all"),
    translated_by("lr-schedule.name", "lr-scheduler", mlx_schedule, "cosine_decay or linear_schedule"),
    same("lr-schedule.warmup", "warmup-steps"),
    // axolotl
    Alias{.name = "adapter", .option = "method", .value = "lora"},
    same("lora-r", "rank"),
    same("lora-target-modules", "target-modules"),
    part_of_targets("lora-target-linear", all_linear_if_true, true),
    turned_on("peft-use-rslora", "use-rslora"),
    turned_on("peft-use-dora", "use-dora"),
    same("peft-layers-to-transform", "layers-to-transform"),
    same("peft-layers-pattern", "layers-pattern"),
    same("peft-init-lora-weights", "init-lora-weights"),
    same("micro-batch-size", "batch-size"),
    same("num-epochs", "epochs"),
    turned_on("auto-resume-from-checkpoints", "resume"),
    turned_on("gradient-checkpointing", "grad-checkpoint"),
    same("datasets.path", "data"),
    same("datasets.field", "text-key"),
    same("datasets.field-messages", "messages-key"),
    same("datasets.message-property-mappings.role", "role-key"),
    same("datasets.message-property-mappings.content", "content-key"),
    same("test-datasets", "eval-data"),
    same("test-datasets.path", "eval-data"),
    // LLaMA-Factory
    same("eval-dataset", "eval-data"),
    translated_by("finetuning-type", "method", method, kMethods),
    same("lora-rank", "rank"),
    same("lora-alpha", "alpha"),
    same("lora-dropout", "dropout"),
    translated_by("lora-target", "target-modules", targets, kAnything),
    same("per-device-train-batch-size", "batch-size"),
    same("gradient-accumulation-steps", "grad-accumulation-steps"),
    same("learning-rate", "lr"),
    same("lr-scheduler-type", "lr-scheduler"),
    same("num-train-epochs", "epochs"),
    same("max-steps", "steps"),
    same("optim", "optimizer"),
    same("output-dir", "out"),
    turned_on("resume-from-checkpoint", "resume"),
    turned_off("disable-gradient-checkpointing", "grad-checkpoint"),
    Alias{.name = "bf16",
          .option = "dtype",
          .convert = bf16_or_f32,
          .expected = "true, false or auto",
          .is_switch = true},
    // torchtune
    translated_by("model.component", "method", method_of_builder,
                  "a builder of torchtune.models that is no qlora or dora one"),
    same("model.lora-rank", "rank"),
    same("model.lora-alpha", "alpha"),
    same("model.lora-dropout", "dropout"),
    part_of_targets("model.lora-attn-modules", attention_modules, false),
    part_of_targets("model.apply-lora-to-mlp", mlp_if_true, true),
    part_of_targets("model.apply-lora-to-output", head_if_true, true),
    part_of_targets("lora-attn-modules", attention_modules, false),
    part_of_targets("apply-lora-to-mlp", mlp_if_true, true),
    part_of_targets("apply-lora-to-output", head_if_true, true),
    same("checkpointer.checkpoint-dir", "model"),
    same("checkpointer.output-dir", "out"),
    same("tokenizer.max-seq-len", "max-seq-length"),
    same("dataset.data-files", "data"),
    turned_on("dataset.train-on-input", "train-on-prompt"),
    translated_by("optimizer.component", "optimizer", optimizer_class,
                  "torch.optim.AdamW, torch.optim.SGD or an 8-bit AdamW of bitsandbytes or torchao"),
    same("optimizer.lr", "lr"),
    same("optimizer.weight-decay", "weight-decay"),
    translated_by("lr-scheduler.component", "lr-scheduler", schedule_class,
                  "torchtune.training.lr_schedulers.get_cosine_schedule_with_warmup"),
    same("lr-scheduler.num-warmup-steps", "warmup-steps"),
    same("num-warmup-steps", "warmup-steps"),
    same("clip-grad-norm", "max-grad-norm"),
    turned_on("enable-activation-checkpointing", "grad-checkpoint"),
    // llama-finetune-lora
    same("checkpoint-save-steps", "save-steps"),
    same("output-adapter", "out"),
    turned_on("auto-resume", "resume"),
};

constexpr std::string_view kNotQuantised = "the weights are used in the type of their file";
constexpr std::string_view kHeldOut = "held-out data is given by --eval-data";
constexpr std::string_view kRecognised = "the form of the records is recognised from them";
constexpr std::string_view kOneMachine = "all is computed in main memory";
constexpr std::string_view kPacked = "short records are always packed, and never see each other";
constexpr std::string_view kEveryStep = "every step is logged";

constexpr std::array kSettled = {
    Settled{"train", "true", "lorry eval measures"},
    Settled{"do-train", "true", "lorry eval measures"},
    Settled{"test", "false", "lorry eval measures"},
    Settled{"do-predict", "false", "lorry generate predicts"},
    Settled{"stage", "sft", "it is what there is"},
    Settled{"val-batches", "-1", "held-out loss is that of all held-out data"},
    Settled{"steps-per-report", "1", kEveryStep},
    Settled{"logging-steps", "1", kEveryStep},
    Settled{"val-set-size", "0,0.0", kHeldOut},
    Settled{"val-size", "0,0.0", kHeldOut},
    Settled{"load-in-8bit", "false", kNotQuantised},
    Settled{"load-in-4bit", "false", kNotQuantised},
    Settled{"fp16", "false", "the types are f32 and bf16"},
    Settled{"sample-packing", "true", kPacked},
    Settled{"packing", "true", kPacked},
    Settled{"dataset.packed", "true", kPacked},
    Settled{"dataset.component",
            "torchtune.datasets.alpaca_dataset,torchtune.datasets.chat_dataset,"
            "torchtune.datasets.instruct_dataset,torchtune.datasets.text_completion_dataset",
            kRecognised},
    Settled{"dataset.source", "json", kRecognised},
    Settled{"dataset.split", "train", "the file is the split"},
    Settled{"datasets.type", "alpaca,chat_template,completion,sharegpt", kRecognised},
    Settled{"datasets.ds-type", "json", kRecognised},
    Settled{"datasets.split", "train", "the file is the split"},
    Settled{"datasets.roles-to-train", "assistant",
            "the assistant's turns are learnt, or all by --train-on-prompt"},
    Settled{"test-datasets.type", "alpaca,chat_template,completion,sharegpt", kRecognised},
    Settled{"test-datasets.ds-type", "json", kRecognised},
    Settled{"test-datasets.split", "train,test", "the file is the split"},
    Settled{"checkpointer.component", "torchtune.training.FullModelHFCheckpointer",
            "models are Hugging Face folders"},
    Settled{"checkpointer.recipe-checkpoint", "", "--resume finds the last checkpoint"},
    Settled{"save-adapter-weights-only", "true", "a run of LoRA saves the adapter alone"},
    Settled{"enable-activation-offloading", "false", kOneMachine},
    Settled{"activation-offloading", "false", kOneMachine},
    Settled{"layer-offloading", "false", kOneMachine},
    Settled{"device", "cpu", kOneMachine},
    Settled{"optimizer.fused", "true,false", "there is one AdamW"},
};

constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kHints = {{
    {"adapter-path", "adapter"},
    {"train-data", "data"},
    {"valid-data", "eval-data"},
    {"output", "out"},
    {"adapters", "out"},
    {"r", "rank"},
    {"lora-modules", "target-modules"},
    {"target-modules", "modules"},
    {"lr-schedule", "lr-scheduler"},
    {"saves-per-epoch", "save-steps"},
    {"evals-per-epoch", "eval-steps"},
    {"resume-adapter-file", "adapter"},
}};

/// With dashes, and torchtune's `_component_` without what surrounds it.
std::string folded(std::string_view name) {
  std::string result(name);
  std::replace(result.begin(), result.end(), '_', '-');
  constexpr std::string_view kTheirs = ".-component-";
  if (result.ends_with(kTheirs)) result.replace(result.size() - kTheirs.size(), kTheirs.size(), ".component");
  return result;
}

}  // namespace

std::span<const Alias> general_aliases() {
  return kGeneral;
}
std::span<const Alias> training_aliases() {
  return kTraining;
}
std::span<const Settled> settled_keys() {
  return kSettled;
}
std::span<const std::pair<std::string_view, std::string_view>> hinted_names() {
  return kHints;
}

bool trains(const OptionTable& table) {
  return table.find("grad-accumulation-steps") != nullptr;
}

std::vector<const Alias*> aliases_of(const OptionTable& table) {
  std::vector<const Alias*> all;
  const auto add = [&](std::span<const Alias> aliases) {
    for (const Alias& alias : aliases) {
      if (table.find(alias.option) != nullptr &&
          (!alias.value.empty() || table.find(alias.name) == nullptr)) {
        all.push_back(&alias);
      }
    }
  };
  add(kGeneral);
  if (trains(table)) add(kTraining);
  return all;
}

const Alias* find_alias(const OptionTable& table, std::string_view name, std::string_view text) {
  const std::string wanted = folded(name);
  for (const Alias* alias : aliases_of(table)) {
    if (alias->name == wanted && (alias->value.empty() || alias->value == text)) return alias;
  }
  return nullptr;
}

const Settled* find_settled(const OptionTable& table, std::string_view name) {
  if (!trains(table)) return nullptr;
  const std::string wanted = folded(name);
  const auto* found = std::find_if(kSettled.begin(), kSettled.end(),
                                   [&](const Settled& settled) { return settled.name == wanted; });
  return found == kSettled.end() ? nullptr : &*found;
}

bool holds_aliases(const OptionTable& table, std::string_view name) {
  const std::string prefix = folded(name) + ".";
  const std::vector<const Alias*> aliases = aliases_of(table);
  return std::any_of(aliases.begin(), aliases.end(),
                     [&](const Alias* alias) { return alias->name.starts_with(prefix); });
}

}  // namespace lorry::cli
