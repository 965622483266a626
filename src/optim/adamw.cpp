#include "optim/adamw.hpp"

#include <cmath>

#include "core/error.hpp"

namespace lorry::optim {
namespace {

void check_config(const OptimizerConfig& config) {
  for (const double beta : {config.beta1, config.beta2}) {
    if (!(beta >= 0 && beta < 1)) {
      throw Error("[train] AdamW beta: found {}; expected at least 0 and below 1", beta);
    }
  }
  if (!(config.eps >= 0) || !std::isfinite(config.eps)) {
    throw Error("[train] AdamW epsilon: found {}; expected a finite number, at least 0", config.eps);
  }
}

class AdamW final : public UpdateRule {
 public:
  explicit AdamW(const OptimizerConfig& config) : config_(config) { check_config(config); }

  [[nodiscard]] std::vector<StatePart> start(const Parameter& parameter) const override {
    std::vector<StatePart> state;
    state.push_back({"exp_avg", Matrix(parameter.value.rows, parameter.value.cols)});
    state.push_back({"exp_avg_sq", Matrix(parameter.value.rows, parameter.value.cols)});
    return state;
  }

  void apply(ops::Ops& ops, const Parameter& parameter, const Update& update,
             std::span<StatePart> state) const override {
    const ops::AdamWOptions options = {.lr = update.lr,
                                       .beta1 = config_.beta1,
                                       .beta2 = config_.beta2,
                                       .eps = config_.eps,
                                       .weight_decay = update.weight_decay,
                                       .step = update.step,
                                       .gradient_scale = update.gradient_scale};
    ops.adamw(parameter.gradient, options, parameter.value, state[0].value, state[1].value);
  }

 private:
  OptimizerConfig config_;
};

}  // namespace

std::unique_ptr<UpdateRule> make_adamw(const OptimizerConfig& config) {
  return std::make_unique<AdamW>(config);
}

}  // namespace lorry::optim
