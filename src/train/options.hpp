// train/options.hpp: everything a training run is told, as plain data with its defaults.
#pragma once
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "data/sources.hpp"
#include "model/peft_config.hpp"
#include "nn/context.hpp"
#include "optim/loraplus.hpp"
#include "optim/optimizer_config.hpp"
#include "optim/schedule.hpp"

namespace lorry::train {

enum class Method {
  kLora,  // A and B beside frozen weights
  kFull,  // every weight
};

/// Rank 8, alpha 16, all linear layers but the head.
inline model::PeftConfig default_lora() {
  model::PeftConfig config;
  config.lora_alpha = 16.0;
  config.target_modules.pattern = model::kAllLinear;
  return config;
}

inline constexpr Index kDefaultSequence = 2048;  // tokens

/// Field names are those of the flags and of the YAML keys.
struct TrainOptions {
  std::filesystem::path model;
  std::filesystem::path adapter;  // start from this adapter instead of a fresh one; empty: fresh
  data::DataFiles data;
  data::DataFiles eval_data;  // empty: valid.jsonl beside --data if that is a folder, else none
  data::DataOptions reading;  // of both
  std::filesystem::path out;

  Method method = Method::kLora;
  model::PeftConfig lora = default_lora();
  std::vector<std::string> add_tokens;  // special tokens that tokenizer and model are given first

  std::optional<double> lr;  // default: 2e-4 for LoRA, 2e-5 for full
  optim::ScheduleKind lr_scheduler = optim::ScheduleKind::kLinear;
  Index warmup_steps = 0;
  std::optional<double> warmup_ratio;  // of the run's steps, instead of warmup_steps
  optim::ScheduleShape lr_shape;
  optim::OptimizerConfig optimizer{.weight_decay = 0.0};
  optim::LoraPlus loraplus;
  float max_grad_norm = 1.0F;        // 0: no clipping
  double label_smoothing = 0.0;      // of the training loss; held-out loss is never smoothed
  double neftune_noise_alpha = 0.0;  // 0: no noise on the embeddings

  Index batch_size = 1;                 // sequences of a micro-batch
  bool share_prompts = false;           // see data::BatcherOptions
  Index grad_accumulation_steps = 1;    // micro-batches of a step
  std::optional<Index> max_seq_length;  // tokens of a sequence; see sequence_length
  std::optional<Index> steps;           // optimiser steps; wins over epochs
  double epochs = 1.0;                  // passes over the data
  Index eval_steps = 0;                 // evaluate every so many steps; 0: at the start and the end only
  std::optional<DType> dtype;           // default: BF16 where the CPU has it, else F32
  nn::Int8Products int8 = nn::Int8Products::kNone;  // see model::use_int8
  bool grad_checkpoint = false;
  std::optional<Index> memory_budget;  // bytes of the whole process; see train/memory_budget.hpp
  std::uint64_t seed = 0;
  Index threads = 0;     // 0: all
  bool profile = false;  // time the parts of the steps (train/profile.hpp)
  Index xray_steps = 0;  // measure what the adapter learns every so many steps (train/xray.hpp); 0: never

  Index save_steps = 0;                 // a checkpoint every so many steps; 0: only where the run is stopped
  Index save_total_limit = 0;           // newest checkpoints that stay, beside the best one; 0: all
  bool resume = false;                  // go on from the last checkpoint in out
  Index early_stopping_patience = 0;    // evaluations in a row without a lower held-out loss that end the run
  bool load_best_model_at_end = false;  // the result is that of the lowest held-out loss, not the last one

  /// Whether the checkpoint with the lowest held-out loss so far is kept.
  [[nodiscard]] bool keeps_best() const { return load_best_model_at_end || early_stopping_patience > 0; }
  /// As asked or kDefaultSequence, and never more than the model's positions.
  [[nodiscard]] Index sequence_length(Index positions) const {
    return std::min(max_seq_length.value_or(kDefaultSequence), positions);
  }
  [[nodiscard]] double learning_rate() const { return lr.value_or(method == Method::kLora ? 2e-4 : 2e-5); }
};

}  // namespace lorry::train
