#include "train/trainer.hpp"

#include <cmath>
#include <utility>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "optim/clip.hpp"
#include "train/diverged.hpp"
#include "train/non_finite.hpp"

namespace lorry::train {

namespace {

/// With the rates that LoRA+ asks for.
std::vector<optim::Parameter> parameters_of(const Trainable& trainable, const TrainerConfig& config) {
  std::vector<optim::Parameter> parameters = trainable.parameters;
  if (config.loraplus.lr_ratio) optim::apply_loraplus(config.loraplus, config.schedule.peak(), parameters);
  return parameters;
}

}  // namespace

Trainer::Trainer(model::Decoder& decoder, Trainable trainable, TrainerConfig config)
    : decoder_(decoder),
      trainable_(std::move(trainable)),
      config_(config),
      optimizer_(decoder.ops(), parameters_of(trainable_, config_), config_.optimizer) {}

StepReport Trainer::step(const std::vector<data::Batch>& micro_batches) {
  const Stopwatch watch;
  StepReport report{.step = optimizer_.steps() + 1, .total_steps = config_.total_steps};
  for (const data::Batch& batch : micro_batches) {
    report.tokens += batch.token_count;
    report.targets += batch.target_count;
  }
  LORRY_CHECK(report.targets > 0);
  trainable_.zero_gradients();
  const std::span<const data::Batch> all(micro_batches);
  std::vector<model::PassOptions> options;
  for (std::size_t i = 0; i < all.size(); ++i) {
    options.push_back({.gradient_scale = 1.0F / static_cast<float>(report.targets),
                       .grad_checkpoint = config_.grad_checkpoint,
                       .dropout_seed = config_.dropout_seed,
                       .micro_step = static_cast<std::uint64_t>(micro_steps_++),
                       .label_smoothing = config_.label_smoothing,
                       .neftune_noise_alpha = config_.neftune_noise_alpha});
  }
  // Together, where weights come from the disk once for all of them; else each with what it keeps.
  const std::size_t at_once = decoder_.streams() ? all.size() : 1;
  double sum = 0;
  for (std::size_t first = 0; first < all.size(); first += at_once) {
    for (const double loss : decoder_.losses_and_gradients(
             all.subspan(first, at_once), std::span(options).subspan(first, at_once), workspace_)) {
      sum += loss;
    }
    if (!std::isfinite(sum)) {
      throw Diverged(
          "[train] step {}: loss {}, not finite from {} on; expected finite numbers; try a lower --lr",
          report.step, sum, where_loss_broke(decoder_, workspace_, trainable_.parameters));
    }
  }
  report.loss = sum / static_cast<double>(report.targets);
  report.grad_norm = optim::global_norm(decoder_.ops(), trainable_.parameters);
  if (!std::isfinite(report.grad_norm)) {
    throw Diverged(
        "[train] step {}: loss {}, gradient norm {}, not finite from {} on; expected finite numbers; try a "
        "lower "
        "--lr",
        report.step, report.loss, report.grad_norm, where_gradient_broke(trainable_.parameters));
  }
  report.lr = config_.schedule.at(report.step - 1);
  optimizer_.step(report.lr, optim::clip_scale(report.grad_norm, config_.max_grad_norm));
  if (trainable_.after_update) trainable_.after_update();
  report.seconds = watch.seconds();
  return report;
}

void Trainer::set_position(Index steps, Index micro_steps) {
  optimizer_.set_steps(steps);
  micro_steps_ = micro_steps;
}

}  // namespace lorry::train
