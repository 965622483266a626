// optim/optimizer.hpp: updates a list of parameters; owns what its rule remembers of them and counts the
// updates.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/index.hpp"
#include "ops/ops.hpp"
#include "optim/optimizer_config.hpp"
#include "optim/parameter.hpp"
#include "optim/update_rule.hpp"

namespace lorry::optim {

/// One matrix of an optimiser's state, borrowed: of any type, contiguous, so that its bytes are
/// value.size() * size_of(value.dtype) from value.data on.
struct StateTensor {
  std::string name;  // the parameter's, a dot, the part's: "...lora_A.weight.exp_avg"; unique
  MatrixView value;
};

/// What an optimiser keeps of a tensor of that many elements, in bytes.
Index state_bytes(const OptimizerConfig& config, Index elements);

class Optimizer {
 public:
  /// Borrows `ops` and what the parameters view; allocates the state. Throws Error if the config is out of
  /// range.
  Optimizer(ops::Ops& ops, std::vector<Parameter> parameters, const OptimizerConfig& config);

  /// One update of every parameter from gradient_scale * gradient, at `lr` times the parameter's own factor;
  /// leaves the gradients as they are.
  void step(double lr, float gradient_scale = 1.0F);

  /// Updates done so far. With state(), all that a checkpoint keeps: an optimiser made alike, given both,
  /// goes on bit for bit.
  [[nodiscard]] Index steps() const noexcept { return steps_; }
  void set_steps(Index steps);
  /// In the order of parameters(), the same for every optimiser made alike. Empty where the rule remembers
  /// nothing.
  [[nodiscard]] std::vector<StateTensor> state();
  [[nodiscard]] Index state_bytes() const;

  [[nodiscard]] const std::vector<Parameter>& parameters() const noexcept { return parameters_; }

 private:
  ops::Ops& ops_;
  std::vector<Parameter> parameters_;
  double weight_decay_;
  std::unique_ptr<UpdateRule> rule_;
  std::vector<std::vector<StatePart>> state_;  // in the order of parameters_
  Index steps_ = 0;
};

}  // namespace lorry::optim
