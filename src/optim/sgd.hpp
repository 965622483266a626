// optim/sgd.hpp: the rule of stochastic gradient descent.
#pragma once
#include <memory>

#include "optim/optimizer_config.hpp"
#include "optim/update_rule.hpp"

namespace lorry::optim {

/// torch.optim.SGD with dampening 0: weight decay is a part of the gradient. State of a parameter [R,C]:
/// momentum_buffer [R,C] F32; none without momentum.
std::unique_ptr<UpdateRule> make_sgd(const OptimizerConfig& config);

}  // namespace lorry::optim
