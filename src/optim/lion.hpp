// optim/lion.hpp: the rule of Lion.
#pragma once
#include <memory>

#include "optim/optimizer_config.hpp"
#include "optim/update_rule.hpp"

namespace lorry::optim {

/// Chen et al. 2023 (arXiv:2302.06675), algorithm 2: steps of the rate's size, by the sign alone. State of a
/// parameter [R,C]: exp_avg [R,C] F32.
std::unique_ptr<UpdateRule> make_lion(const OptimizerConfig& config);

}  // namespace lorry::optim
