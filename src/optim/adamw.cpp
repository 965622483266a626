#include "optim/adamw.hpp"

namespace lorry::optim {
namespace {

class AdamW final : public UpdateRule {
 public:
  explicit AdamW(const OptimizerConfig& config) : config_(config) {}

  [[nodiscard]] std::vector<StatePart> start(const Parameter& parameter) const override {
    std::vector<StatePart> state;
    state.push_back({"exp_avg", Matrix(parameter.value.rows, parameter.value.cols)});
    state.push_back({"exp_avg_sq", Matrix(parameter.value.rows, parameter.value.cols)});
    return state;
  }

  void apply(ops::Ops& ops, const Parameter& parameter, const Update& update,
             std::span<StatePart> state) const override {
    ops.adamw(parameter.gradient, adamw_options(config_, update), parameter.value, state[0].value,
              state[1].value);
  }

 private:
  OptimizerConfig config_;
};

}  // namespace

std::unique_ptr<UpdateRule> make_adamw(const OptimizerConfig& config) {
  return std::make_unique<AdamW>(config);
}

ops::AdamWOptions adamw_options(const OptimizerConfig& config, const Update& update) {
  return {.lr = update.lr,
          .beta1 = config.beta1.value_or(0.9),
          .beta2 = config.beta2.value_or(0.999),
          .eps = config.eps.value_or(1e-8),
          .weight_decay = update.weight_decay,
          .step = update.step,
          .gradient_scale = update.gradient_scale};
}

}  // namespace lorry::optim
