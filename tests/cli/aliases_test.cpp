// Names of other trainers: every row of the table as a key and, where it is one, as a flag.
#include "cli/aliases.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/config_file.hpp"
#include "core/option_error.hpp"
#include "io/io_support.hpp"

namespace lorry::cli {
namespace {

struct Row {
  const char* name;   // as its users type it
  const char* text;   // what they give it
  const char* ours;   // the option
  const char* shown;  // what that then is
  const char* command = "train";
};

// Written from the other trainers' documents, not from the table.
constexpr Row kRows[] = {
    {"model_name_or_path", "m", "model", "m"},
    {"base_model", "m", "model", "m"},
    {"lora_model_dir", "a", "adapter", "a"},
    {"adapter_name_or_path", "a", "adapter", "a"},
    {"dataset", "d.jsonl", "data", "d.jsonl"},
    {"datasets", "d.jsonl", "data", "d.jsonl"},
    {"cutoff_len", "512", "max-seq-length", "512"},
    {"sequence_len", "512", "max-seq-length", "512"},
    {"max_seq_len", "512", "max-seq-length", "512"},
    {"template", "chatml", "chat-template", "chatml"},
    {"train_on_input", "true", "train-on-prompt", "true"},
    {"train_on_inputs", "true", "train-on-prompt", "true"},
    {"mask_prompt", "true", "train-on-prompt", "false"},
    {"assistant_loss_only", "true", "train-on-prompt", "false"},
    {"text_feature", "t", "text-key", "t"},
    {"prompt_feature", "t", "prompt-key", "t"},
    {"completion_feature", "t", "completion-key", "t"},
    {"chat_feature", "t", "messages-key", "t"},
    {"field_messages", "t", "messages-key", "t"},
    {"max_tokens", "5", "max-new-tokens", "5", "generate"},
    {"temp", "0.5", "temperature", "0.5", "generate"},
    {"adapter_path", "o", "out", "o"},
    {"peft_use_rslora", "true", "use-rslora", "true"},
    {"peft_use_dora", "true", "use-dora", "true"},
    {"peft_layers_to_transform", "[0, 3]", "layers-to-transform", "0,3"},
    {"peft_layers_pattern", "[layers]", "layers-pattern", "layers"},
    {"peft_init_lora_weights", "pissa", "init-lora-weights", "pissa"},
    {"fine_tune_type", "full", "method", "full"},
    {"iters", "7", "steps", "7"},
    {"save_every", "7", "save-steps", "7"},
    {"steps_per_eval", "7", "eval-steps", "7"},
    {"lora_parameters.rank", "4", "rank", "4"},
    {"lora_parameters.alpha", "4", "alpha", "4"},
    {"lora_parameters.scale", "2.5", "alpha", "20"},
    {"lora_parameters.dropout", "0.5", "dropout", "0.5"},
    {"lora_parameters.keys", "[self_attn.q_proj, mlp.up_proj]", "target-modules",
     "self_attn.q_proj,mlp.up_proj"},
    {"num_layers", "4", "layers-to-transform", "-4"},
    {"lora_layers", "2", "layers-to-transform", "-2"},
    {"lr_schedule.name", "cosine_decay", "lr-scheduler", "cosine"},
    {"lr_schedule.warmup", "7", "warmup-steps", "7"},
    {"adapter", "lora", "method", "lora"},
    {"lora_r", "4", "rank", "4"},
    {"lora_target_modules", "[q_proj, v_proj]", "target-modules", "q_proj,v_proj"},
    {"lora_target_linear", "true", "target-modules", "all-linear"},
    {"micro_batch_size", "4", "batch-size", "4"},
    {"num_epochs", "4", "epochs", "4"},
    {"auto_resume_from_checkpoints", "true", "resume", "true"},
    {"gradient_checkpointing", "true", "grad-checkpoint", "true"},
    {"datasets.path", "d.jsonl", "data", "d.jsonl"},
    {"datasets.field", "t", "text-key", "t"},
    {"datasets.field_messages", "t", "messages-key", "t"},
    {"datasets.message_property_mappings.role", "t", "role-key", "t"},
    {"datasets.message_property_mappings.content", "t", "content-key", "t"},
    {"test_datasets", "d.jsonl", "eval-data", "d.jsonl"},
    {"test_datasets.path", "d.jsonl", "eval-data", "d.jsonl"},
    {"eval_dataset", "d.jsonl", "eval-data", "d.jsonl"},
    {"finetuning_type", "full", "method", "full"},
    {"lora_rank", "4", "rank", "4"},
    {"lora_alpha", "4", "alpha", "4"},
    {"lora_dropout", "0.5", "dropout", "0.5"},
    {"lora_target", "all", "target-modules", "all-linear"},
    {"per_device_train_batch_size", "4", "batch-size", "4"},
    {"gradient_accumulation_steps", "4", "grad-accumulation-steps", "4"},
    {"learning_rate", "1e-3", "lr", "0.001"},
    {"lr_scheduler_type", "cosine", "lr-scheduler", "cosine"},
    {"num_train_epochs", "4", "epochs", "4"},
    {"max_steps", "7", "steps", "7"},
    {"optim", "adamw_torch", "optimizer", "adamw"},
    {"output_dir", "o", "out", "o"},
    {"resume_from_checkpoint", "true", "resume", "true"},
    {"disable_gradient_checkpointing", "true", "grad-checkpoint", "false"},
    {"bf16", "true", "dtype", "bf16"},
    {"model._component_", "torchtune.models.llama3_2.llama3_2_1b", "method", "full"},
    {"model.lora_rank", "4", "rank", "4"},
    {"model.lora_alpha", "4", "alpha", "4"},
    {"model.lora_dropout", "0.5", "dropout", "0.5"},
    {"model.lora_attn_modules", "[q_proj, output_proj]", "target-modules", "q_proj,o_proj"},
    {"model.apply_lora_to_mlp", "True", "target-modules", "gate_proj,up_proj,down_proj"},
    {"model.apply_lora_to_output", "True", "target-modules", "lm_head"},
    {"lora_attn_modules", "[q_proj, output_proj]", "target-modules", "q_proj,o_proj"},
    {"apply_lora_to_mlp", "True", "target-modules", "gate_proj,up_proj,down_proj"},
    {"apply_lora_to_output", "True", "target-modules", "lm_head"},
    {"checkpointer.checkpoint_dir", "m", "model", "m"},
    {"checkpointer.output_dir", "o", "out", "o"},
    {"tokenizer.max_seq_len", "512", "max-seq-length", "512"},
    {"dataset.data_files", "d.jsonl", "data", "d.jsonl"},
    {"dataset.train_on_input", "True", "train-on-prompt", "true"},
    {"optimizer._component_", "torch.optim.SGD", "optimizer", "sgd"},
    {"optimizer.lr", "3e-4", "lr", "0.0003"},
    {"optimizer.weight_decay", "0.5", "weight-decay", "0.5"},
    {"lr_scheduler._component_", "torchtune.training.lr_schedulers.get_cosine_schedule_with_warmup",
     "lr-scheduler", "cosine"},
    {"lr_scheduler.num_warmup_steps", "7", "warmup-steps", "7"},
    {"num_warmup_steps", "7", "warmup-steps", "7"},
    {"clip_grad_norm", "0.5", "max-grad-norm", "0.5"},
    {"enable_activation_checkpointing", "True", "grad-checkpoint", "true"},
    {"checkpoint_save_steps", "7", "save-steps", "7"},
    {"output_adapter", "o", "out", "o"},
    {"auto_resume", "true", "resume", "true"},
};

std::string with_dashes(std::string text) {
  const std::size_t component = text.find("_component_");
  if (component != std::string::npos) text.replace(component, 11, "component");
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

/// "a.b" and "c" as nested mappings.
std::string as_yaml(const std::string& name, const std::string& text) {
  std::string yaml;
  std::string indent;
  std::size_t begin = 0;
  for (std::size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', begin)) {
    yaml += fmt::format("{}{}:\n", indent, name.substr(begin, dot - begin));
    indent += "  ";
    begin = dot + 1;
  }
  return fmt::format("{}{}{}: {}\n", yaml, indent, name.substr(begin), text);
}

/// A YAML list as a flag takes it.
std::string as_flag_text(std::string text) {
  std::erase_if(text, [](char c) { return c == '[' || c == ']' || c == ' '; });
  return text;
}

Command find_command(std::string_view name) {
  std::vector<Command> commands = make_commands();
  return *std::find_if(commands.begin(), commands.end(),
                       [&](const Command& command) { return command.name == name; });
}

class Aliases : public testing::Test {
 protected:
  /// The message of reading `yaml`, with the file's name as "F".
  std::string read(OptionTable& table, const std::string& yaml) {
    const std::filesystem::path file = scratch_ / "train.yaml";
    io::put(file, yaml);
    std::string message = io::error_of([&] { read_config(file, table); });
    const std::size_t at = message.find(file.string());
    if (at != std::string::npos) message.replace(at, file.string().size(), "F");
    return message;
  }
  std::string read(const std::string& yaml) {
    train_ = find_command("train");
    return read(train_.options, yaml);
  }
  std::string shown(std::string_view option) { return train_.options.find(option)->binding.show(); }

  Command train_;
  io::ScratchFolder scratch_;
};

TEST_F(Aliases, EveryRowIsTested) {
  std::set<std::string> tested;
  for (const Row& row : kRows) tested.insert(with_dashes(row.name));
  std::set<std::string> all;
  for (const Alias& alias : general_aliases()) all.emplace(alias.name);
  for (const Alias& alias : training_aliases()) all.emplace(alias.name);
  EXPECT_EQ(tested, all);
  EXPECT_EQ(general_aliases().size() + training_aliases().size(), std::size(kRows));
}

TEST_F(Aliases, EveryRowSetsItsOptionAsAKey) {
  for (const Row& row : kRows) {
    Command command = find_command(row.command);
    ASSERT_EQ(read(command.options, as_yaml(row.name, row.text)), "no error") << row.name;
    EXPECT_EQ(command.options.find(row.ours)->binding.show(), row.shown) << row.name;
    EXPECT_EQ(command.options.source(row.ours), Source::kConfig) << row.name;
  }
}

TEST_F(Aliases, EveryRowWithoutADotSetsItsOptionAsAFlag) {
  Index flags = 0;
  for (const Row& row : kRows) {
    std::vector<Command> commands = {find_command(row.command)};
    OptionTable& table = commands[0].options;
    const Alias* alias = find_alias(table, row.name, row.text);
    ASSERT_NE(alias, nullptr) << row.name;
    if (!alias->is_flag()) continue;
    ++flags;
    std::vector<std::string> words = {"lorry", row.command, "--" + with_dashes(row.name)};
    if (!alias->is_switch) words.push_back(as_flag_text(row.text));
    for (const Option& option : table.options()) {
      if (!option.required || option.name == row.ours) continue;
      words.push_back("--" + option.name);
      words.emplace_back("x");
    }
    std::vector<const char*> arguments;
    arguments.reserve(words.size());
    for (const std::string& word : words) arguments.push_back(word.c_str());
    ASSERT_NO_THROW(parse_arguments(static_cast<int>(arguments.size()), arguments.data(), commands))
        << row.name;
    EXPECT_EQ(table.find(row.ours)->binding.show(), row.shown) << row.name;
    EXPECT_EQ(table.source(row.ours), Source::kFlag) << row.name;
  }
  EXPECT_GT(flags, 45);
}

TEST_F(Aliases, AnOptionUnderTwoNamesIsRefused) {
  EXPECT_EQ(read("lr: 1e-4\nlearning_rate: 1e-4\n"),
            "[config] F:2: learning_rate: found beside lr, which says the same; expected one of them");
  EXPECT_EQ(read("lora_r: 8\nlora_parameters: {rank: 8}\n"),
            "[config] F:2: lora_parameters.rank: found beside lora_r, which says the same; expected one of "
            "them");
  EXPECT_EQ(read("alpha: 8\nlora_parameters: {scale: 2}\n"),
            "[config] F:2: lora_parameters.scale: found beside alpha, which says the same; expected one of "
            "them");
  EXPECT_EQ(read("lora_target_linear: true\nlora_attn_modules: [q_proj]\n"),
            "[config] F:2: lora_attn_modules: found beside lora_target_linear; expected one of them");
  const auto usage_error = [](std::vector<const char*> arguments) -> std::string {
    std::vector<Command> commands = make_commands();
    arguments.insert(arguments.begin(), {"lorry", "train"});
    try {
      parse_arguments(static_cast<int>(arguments.size()), arguments.data(), commands);
    } catch (const OptionError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(usage_error({"--learning-rate", "1e-4", "--lr", "1e-4"}),
            "--learning-rate: found beside --lr, which says the same; expected one of them");
  EXPECT_EQ(usage_error({"--num-epochs", "1", "--num-train-epochs", "1"}),
            "--num-train-epochs: found beside --num-epochs, which says the same; expected one of them");
  EXPECT_EQ(usage_error({"--iters", "1", "--iters", "1"}), "--iters: found more than once; expected once");
  EXPECT_EQ(usage_error({"--fine-tune-type", "dora"}),
            R"(--fine-tune-type: found "dora"; expected lora or full)");
  EXPECT_EQ(usage_error({"--lerning-rate", "1"}),
            R"(unknown flag --lerning-rate; did you mean "learning-rate"?)");
}

TEST_F(Aliases, Bf16ThatIsLeftToTheMachine) {
  ASSERT_EQ(read("bf16: auto\n"), "no error");
  EXPECT_EQ(shown("dtype"), "auto");
  EXPECT_EQ(read("bf16: half\n"), R"([config] F:1: bf16: found "half"; expected true, false or auto)");
}

TEST_F(Aliases, TheScaleOfMlxIsTakenTimesTheRank) {
  ASSERT_EQ(read("lora_parameters:\n  scale: 20.0\n  rank: 16\n  dropout: 0.0\n"), "no error");
  EXPECT_EQ(shown("alpha"), "320");
  EXPECT_EQ(read("lora_parameters: {scale: high}\n"),
            R"([config] F:1: lora_parameters.scale: found "high"; expected a number above 0)");
}

TEST_F(Aliases, TargetsOfTorchtuneAreOneList) {
  ASSERT_EQ(read("model:\n  lora_attn_modules: [q_proj, v_proj, output_proj]\n  apply_lora_to_mlp: True\n"
                 "  apply_lora_to_output: False\n"),
            "no error");
  EXPECT_EQ(shown("target-modules"), "q_proj,v_proj,o_proj,gate_proj,up_proj,down_proj");
  ASSERT_EQ(read("lora_target_modules: [q_proj]\n"), "no error");
  ASSERT_EQ(read("lora_target_linear: false\n"), "no error");
  EXPECT_EQ(shown("target-modules"), "all-linear");
}

TEST_F(Aliases, DataOfAxolotlMayBeAListOfMappings) {
  ASSERT_EQ(
      read("datasets:\n"
           "  - path: a.jsonl\n    type: chat_template\n    field_messages: turns\n"
           "    message_property_mappings: {role: from, content: value}\n    roles_to_train: [assistant]\n"
           "  - path: b.jsonl\n    type: alpaca\n    field_messages: turns\n"),
      "no error");
  EXPECT_EQ(shown("data"), "a.jsonl,b.jsonl");
  EXPECT_EQ(shown("messages-key"), "turns");
  EXPECT_EQ(shown("role-key"), "from");
  EXPECT_EQ(read("datasets:\n  - {path: a, field: x}\n  - {path: b, field: y}\n"),
            R"([config] F:3: datasets.field: found "x" and "y"; expected one value for all)");
  EXPECT_EQ(read("datasets:\n  - {path: a, typo: x}\n").substr(0, 45),
            R"([config] F:2: unknown key "datasets.typo"; di)");
}

TEST_F(Aliases, WhatIsSoAnyhowMayBeSaidAndItsContraryIsRefused) {
  EXPECT_EQ(read("load_in_4bit: false\ntrain: true\nsample_packing: true\nval_size: null\n"), "no error");
  EXPECT_EQ(
      read("load_in_4bit: true\n"),
      R"([config] F:1: load_in_4bit: found "true"; expected false: the weights are used in the type of )"
      "their file");
  EXPECT_EQ(read("num_layers: 0\n"),
            R"([config] F:1: num_layers: found "0"; expected an integer of at least 1, or -1 for all)");
  for (const Settled& settled : settled_keys()) {
    std::string name(settled.name);
    const std::size_t component = name.find("component");
    if (component != std::string::npos) name.replace(component, 9, "_component_");
    const std::string value(settled.values.substr(0, settled.values.find(',')));
    EXPECT_EQ(read(as_yaml(name, value.empty() ? "null" : value)), "no error") << name;
    EXPECT_EQ(read(as_yaml(name, "nonsense")).substr(0, 14),
              "[config] F:" + std::to_string(std::count(name.begin(), name.end(), '.') + 1) + ": ")
        << name;
  }
}

TEST_F(Aliases, AreAllInTheDocument) {
  const std::string page = io::get(LORRY_SOURCE_DIR "/docs/config.md");
  for (const Row& row : kRows) {
    EXPECT_NE(page.find(fmt::format("`{}`", row.name)), std::string::npos) << row.name;
  }
}

}  // namespace
}  // namespace lorry::cli
