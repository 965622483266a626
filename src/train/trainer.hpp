// train/trainer.hpp: one optimiser step after another: batches in, updates out.
#pragma once
#include <functional>
#include <vector>

#include "data/batcher.hpp"
#include "model/decoder.hpp"
#include "optim/loraplus.hpp"
#include "optim/optimizer.hpp"
#include "optim/schedule.hpp"

namespace lorry::train {

struct StepReport {
  Index step = 0;  // counted from 1
  Index total_steps = 0;
  double loss = 0;       // mean over the step's targets, nats per token; of the smoothed labels, if so asked
  double lr = 0;         // of this step
  double grad_norm = 0;  // before clipping
  Index tokens = 0;      // data tokens of the step
  Index targets = 0;     // of these, scored
  double seconds = 0;    // spent in the step
};

/// What trains: parameters and what must happen around an update.
struct Trainable {
  std::vector<optim::Parameter> parameters;
  std::function<void()> zero_gradients;
  std::function<void()> after_update;  // may be empty
};

struct TrainerConfig {
  optim::OptimizerConfig optimizer;
  optim::LoraPlus loraplus = {};
  optim::LearningRateSchedule schedule;
  float max_grad_norm = 1.0F;  // 0: no clipping
  Index total_steps = 1;
  bool grad_checkpoint = false;
  std::uint64_t dropout_seed = 0;
  float label_smoothing = 0.0F;      // in [0, 1)
  float neftune_noise_alpha = 0.0F;  // 0: none
};

class Trainer {
 public:
  /// Borrows the decoder, to which the trainable's modules are attached already.
  Trainer(model::Decoder& decoder, Trainable trainable, TrainerConfig config);

  /// One update from the micro-batches of one step: gradients of the mean loss over all their targets
  /// together, so that accumulation equals one large batch. Throws Diverged if the loss or the gradient is
  /// not finite, with the layer or the tensor where that began; nothing is updated then.
  StepReport step(const std::vector<data::Batch>& micro_batches);

  [[nodiscard]] Index steps_done() const noexcept { return optimizer_.steps(); }
  [[nodiscard]] optim::Optimizer& optimizer() noexcept { return optimizer_; }
  [[nodiscard]] Index micro_steps_done() const noexcept { return micro_steps_; }
  /// Goes on as if that much had been done; the optimiser's tensors are the caller's to put back.
  void set_position(Index steps, Index micro_steps);
  [[nodiscard]] model::Decoder::Workspace& workspace() noexcept { return workspace_; }
  [[nodiscard]] const model::Decoder::Workspace& workspace() const noexcept { return workspace_; }

 private:
  model::Decoder& decoder_;
  Trainable trainable_;
  TrainerConfig config_;
  optim::Optimizer optimizer_;
  model::Decoder::Workspace workspace_;
  Index micro_steps_ = 0;
};

}  // namespace lorry::train
