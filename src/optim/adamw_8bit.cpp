#include "optim/adamw_8bit.hpp"

#include "optim/adamw.hpp"

namespace lorry::optim {
namespace {

class AdamW8bit final : public UpdateRule {
 public:
  explicit AdamW8bit(const OptimizerConfig& config) : config_(config), exact_(make_adamw(config)) {}

  [[nodiscard]] std::vector<StatePart> start(const Parameter& parameter) const override {
    const Index size = parameter.value.size();
    if (size < kFewest8BitElements) return exact_->start(parameter);
    const Index blocks = (size + ops::kQuantBlock - 1) / ops::kQuantBlock;
    // All of absmax 0: every code then means 0.
    std::vector<StatePart> state;
    state.push_back({"exp_avg", Matrix(parameter.value.rows, parameter.value.cols, DType::kU8)});
    state.push_back({"exp_avg.absmax", Matrix(1, blocks)});
    state.push_back({"exp_avg_sq", Matrix(parameter.value.rows, parameter.value.cols, DType::kU8)});
    state.push_back({"exp_avg_sq.absmax", Matrix(1, blocks)});
    return state;
  }

  void apply(ops::Ops& ops, const Parameter& parameter, const Update& update,
             std::span<StatePart> state) const override {
    if (parameter.value.size() < kFewest8BitElements) return exact_->apply(ops, parameter, update, state);
    ops.adamw_8bit(parameter.gradient, adamw_options(config_, update), parameter.value,
                   {state[0].value, state[1].value}, {state[2].value, state[3].value});
  }

 private:
  OptimizerConfig config_;
  std::unique_ptr<UpdateRule> exact_;
};

}  // namespace

std::unique_ptr<UpdateRule> make_adamw_8bit(const OptimizerConfig& config) {
  return std::make_unique<AdamW8bit>(config);
}

}  // namespace lorry::optim
