#include "train/optimizer_options.hpp"

#include <cmath>
#include <optional>
#include <string_view>

#include "core/option_error.hpp"

namespace lorry::train {

namespace {

/// As transformers rounds it.
Index warmup_steps_of(const TrainOptions& options, Index steps) {
  if (!options.warmup_ratio) return options.warmup_steps;
  return static_cast<Index>(std::ceil(*options.warmup_ratio * static_cast<double>(steps)));
}

void check_warmup(const TrainOptions& options) {
  if (!options.warmup_ratio) return;
  if (options.warmup_steps > 0) {
    throw OptionError("[train] --warmup-steps, --warmup-ratio: found both; expected one of them");
  }
  if (!(*options.warmup_ratio >= 0 && *options.warmup_ratio <= 1)) {
    throw OptionError("[train] --warmup-ratio: found {}; expected 0 to 1", *options.warmup_ratio);
  }
}

void check_loss(const TrainOptions& options) {
  if (!(options.label_smoothing >= 0 && options.label_smoothing < 1)) {
    throw OptionError("[train] --label-smoothing: found {}; expected at least 0 and below 1",
                      options.label_smoothing);
  }
  if (!(options.neftune_noise_alpha >= 0) || !std::isfinite(options.neftune_noise_alpha)) {
    throw OptionError("[train] --neftune-noise-alpha: found {}; expected a finite number, at least 0",
                      options.neftune_noise_alpha);
  }
}

template <class T>
void add(io::OrderedJson& json, std::string_view key, const std::optional<T>& value) {
  if (value) json[std::string(key)] = *value;
}

}  // namespace

optim::LearningRateSchedule make_schedule(const TrainOptions& options, Index steps) {
  return {options.lr_scheduler, options.learning_rate(), steps, warmup_steps_of(options, steps),
          options.lr_shape};
}

void check_optimizer_options(const TrainOptions& options) {
  constexpr Index kManySteps = Index{1} << 40;  // where the data decide
  optim::check_config(options.optimizer);
  check_warmup(options);
  make_schedule(options, options.steps.value_or(kManySteps));
  optim::check_loraplus(options.loraplus);
  if (options.method == Method::kFull && options.loraplus.lr_ratio) {
    throw OptionError("[train] --loraplus-lr-ratio: has no effect with --method full; expected it without");
  }
  if (!options.loraplus.lr_ratio && options.loraplus.lr_embedding != optim::LoraPlus().lr_embedding) {
    throw OptionError(
        "[train] --loraplus-lr-embedding: has no effect without --loraplus-lr-ratio; expected both");
  }
  check_loss(options);
}

void add_optimizer_settings(const TrainOptions& options, io::OrderedJson& json) {
  const optim::OptimizerConfig& optimizer = options.optimizer;
  json["optimizer"] = optim::name_of(optimizer.kind);
  add(json, "adam_beta1", optimizer.beta1);
  add(json, "adam_beta2", optimizer.beta2);
  add(json, "adam_epsilon", optimizer.eps);
  add(json, "momentum", optimizer.momentum);
  json["nesterov"] = optimizer.nesterov;
  add(json, "warmup_ratio", options.warmup_ratio);
  add(json, "min_lr", options.lr_shape.min_lr);
  add(json, "min_lr_ratio", options.lr_shape.min_lr_ratio);
  add(json, "num_cycles", options.lr_shape.num_cycles);
  add(json, "lr_power", options.lr_shape.power);
  add(json, "lr_decay_steps", options.lr_shape.decay_steps);
  if (options.lr_shape.decay) json["lr_decay_type"] = optim::name_of(*options.lr_shape.decay);
  add(json, "loraplus_lr_ratio", options.loraplus.lr_ratio);
  if (options.method == Method::kLora) json["loraplus_lr_embedding"] = options.loraplus.lr_embedding;
  json["label_smoothing"] = options.label_smoothing;
  json["neftune_noise_alpha"] = options.neftune_noise_alpha;
}

}  // namespace lorry::train
