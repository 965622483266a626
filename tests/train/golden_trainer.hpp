// tests/train/golden_trainer.hpp: a trainer on a tiny golden model, and what it holds at any moment.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/golden_case.hpp"
#include "train/trainer.hpp"

namespace lorry::train {

/// parameters: of the adapter, asked for once, since that starts its gradients anew.
inline Trainable trainable_of(model::Adapter& adapter, std::vector<optim::Parameter> parameters) {
  return {.parameters = std::move(parameters),
          .zero_gradients = [&adapter] { adapter.zero_gradients(); },
          .after_update = {}};
}

inline TrainerConfig constant_rate(float lr, Index steps = 100) {
  return {.optimizer = {.weight_decay = 0.0F},
          .schedule = {optim::ScheduleKind::kConstant, lr, steps, 0},
          .max_grad_norm = 0.0F,
          .total_steps = steps};
}

/// The numbers of all parameters, one after another.
inline std::vector<float> values_of(const std::vector<optim::Parameter>& parameters) {
  std::vector<float> all;
  for (const optim::Parameter& parameter : parameters) {
    const float* first = parameter.value.row<float>(0);
    all.insert(all.end(), first, first + parameter.value.size());
  }
  return all;
}

/// A golden model, its PEFT adapter attached, and a trainer.
struct GoldenTrainer {
  explicit GoldenTrainer(const std::string& name, TrainerConfig config, float dropout = 0.0F,
                         DType compute = DType::kF32)
      : golden(name, compute), adapter(golden.adapter()) {
    adapter.attach(golden.decoder());
    for (auto& entry : adapter.entries()) entry->update.dropout = dropout;
    parameters = adapter.parameters();
    trainer =
        std::make_unique<Trainer>(golden.decoder(), trainable_of(adapter, parameters), std::move(config));
  }

  [[nodiscard]] std::vector<float> values() const { return values_of(parameters); }
  [[nodiscard]] data::Batch batch(Index step) const { return model::pack(golden.training_documents(step)); }

  model::GoldenCase golden;
  model::Adapter adapter;
  std::vector<optim::Parameter> parameters;
  std::unique_ptr<Trainer> trainer;
};

}  // namespace lorry::train
