#include "optim/optimizer.hpp"

#include <fmt/format.h>

#include <utility>

#include "core/check.hpp"
#include "optim/adamw.hpp"
#include "optim/adamw_8bit.hpp"
#include "optim/lion.hpp"
#include "optim/sgd.hpp"

namespace lorry::optim {
namespace {

std::unique_ptr<UpdateRule> make_rule(const OptimizerConfig& config) {
  check_config(config);
  switch (config.kind) {
    case OptimizerKind::kAdamW:
      return make_adamw(config);
    case OptimizerKind::kAdamW8bit:
      return make_adamw_8bit(config);
    case OptimizerKind::kSgd:
      return make_sgd(config);
    case OptimizerKind::kLion:
      return make_lion(config);
  }
  check_failed(__FILE__, __LINE__, "an unknown optimiser");
}

}  // namespace

Index state_bytes(const OptimizerConfig& config, Index elements) {
  constexpr Index kF32Bytes = 4;
  switch (config.kind) {
    case OptimizerKind::kAdamW:
      return 2 * kF32Bytes * elements;
    case OptimizerKind::kAdamW8bit:
      if (elements < kFewest8BitElements) return 2 * kF32Bytes * elements;
      return 2 * (elements + kF32Bytes * ((elements + ops::kQuantBlock - 1) / ops::kQuantBlock));
    case OptimizerKind::kSgd:
      return config.momentum.value_or(0) > 0 ? kF32Bytes * elements : 0;
    case OptimizerKind::kLion:
      return kF32Bytes * elements;
  }
  check_failed(__FILE__, __LINE__, "an unknown optimiser");
}

Optimizer::Optimizer(ops::Ops& ops, std::vector<Parameter> parameters, const OptimizerConfig& config)
    : ops_(ops),
      parameters_(std::move(parameters)),
      weight_decay_(config.weight_decay),
      rule_(make_rule(config)) {
  state_.reserve(parameters_.size());
  for (const Parameter& parameter : parameters_) {
    LORRY_CHECK_EQ(parameter.gradient.rows, parameter.value.rows);
    LORRY_CHECK_EQ(parameter.gradient.cols, parameter.value.cols);
    state_.push_back(rule_->start(parameter));
  }
}

void Optimizer::step(double lr, float gradient_scale) {
  ++steps_;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Parameter& parameter = parameters_[i];
    rule_->apply(ops_, parameter,
                 {.lr = lr * parameter.lr_factor,
                  .weight_decay = parameter.decay ? weight_decay_ : 0.0,
                  .step = steps_,
                  .gradient_scale = gradient_scale},
                 state_[i]);
  }
}

void Optimizer::set_steps(Index steps) {
  LORRY_CHECK(steps >= 0);
  steps_ = steps;
}

std::vector<StateTensor> Optimizer::state() {
  std::vector<StateTensor> all;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    for (StatePart& part : state_[i]) {
      all.push_back({fmt::format("{}.{}", parameters_[i].name, part.name), part.value});
    }
  }
  return all;
}

Index Optimizer::state_bytes() const {
  Index bytes = 0;
  for (const std::vector<StatePart>& parts : state_) {
    for (const StatePart& part : parts) bytes += part.value.bytes();
  }
  return bytes;
}

}  // namespace lorry::optim
