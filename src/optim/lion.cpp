#include "optim/lion.hpp"

namespace lorry::optim {
namespace {

class Lion final : public UpdateRule {
 public:
  explicit Lion(const OptimizerConfig& config)
      : beta1_(config.beta1.value_or(0.9)), beta2_(config.beta2.value_or(0.99)) {}

  [[nodiscard]] std::vector<StatePart> start(const Parameter& parameter) const override {
    std::vector<StatePart> state;
    state.push_back({"exp_avg", Matrix(parameter.value.rows, parameter.value.cols)});
    return state;
  }

  void apply(ops::Ops& ops, const Parameter& parameter, const Update& update,
             std::span<StatePart> state) const override {
    const ops::LionOptions options = {.lr = update.lr,
                                      .beta1 = beta1_,
                                      .beta2 = beta2_,
                                      .weight_decay = update.weight_decay,
                                      .gradient_scale = update.gradient_scale};
    ops.lion(parameter.gradient, options, parameter.value, state[0].value);
  }

 private:
  double beta1_;
  double beta2_;
};

}  // namespace

std::unique_ptr<UpdateRule> make_lion(const OptimizerConfig& config) {
  return std::make_unique<Lion>(config);
}

}  // namespace lorry::optim
