// optim/update_rule.hpp: what an optimiser does to one parameter: the part in which one differs from another.
// Rules own nothing that changes; the state is the Optimizer's.
#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "core/index.hpp"
#include "ops/ops.hpp"
#include "optim/parameter.hpp"
#include "tensor/matrix.hpp"

namespace lorry::optim {

/// A matrix that one parameter's updates hand on to each other.
struct StatePart {
  std::string_view name;  // as torch calls it: "exp_avg"
  Matrix value;
};

/// The numbers of one update of one parameter.
struct Update {
  double lr = 0;
  double weight_decay = 0;
  Index step = 1;               // counted from 1
  float gradient_scale = 1.0F;  // multiplies the gradient first (clipping)
};

class UpdateRule {
 public:
  virtual ~UpdateRule() = default;

  /// The state of a parameter that has had no update.
  [[nodiscard]] virtual std::vector<StatePart> start(const Parameter& parameter) const = 0;
  /// One update of parameter.value from parameter.gradient, which stays as it is. `state`: in the order of
  /// start().
  virtual void apply(ops::Ops& ops, const Parameter& parameter, const Update& update,
                     std::span<StatePart> state) const = 0;
};

}  // namespace lorry::optim
