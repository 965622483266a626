#include "optim/sgd.hpp"

namespace lorry::optim {
namespace {

class Sgd final : public UpdateRule {
 public:
  explicit Sgd(const OptimizerConfig& config)
      : momentum_(config.momentum.value_or(0.0)), nesterov_(config.nesterov) {}

  [[nodiscard]] std::vector<StatePart> start(const Parameter& parameter) const override {
    std::vector<StatePart> state;
    if (momentum_ > 0) {
      state.push_back({"momentum_buffer", Matrix(parameter.value.rows, parameter.value.cols)});
    }
    return state;
  }

  void apply(ops::Ops& ops, const Parameter& parameter, const Update& update,
             std::span<StatePart> state) const override {
    const ops::SgdOptions options = {.lr = update.lr,
                                     .momentum = momentum_,
                                     .nesterov = nesterov_,
                                     .weight_decay = update.weight_decay,
                                     .gradient_scale = update.gradient_scale};
    ops.sgd(parameter.gradient, options, parameter.value,
            state.empty() ? MatrixView{} : state[0].value.view());
  }

 private:
  double momentum_;
  bool nesterov_;
};

}  // namespace

std::unique_ptr<UpdateRule> make_sgd(const OptimizerConfig& config) {
  return std::make_unique<Sgd>(config);
}

}  // namespace lorry::optim
