// optim/adamw.hpp: the rule of AdamW.
#pragma once
#include <memory>
#include <vector>

#include "optim/optimizer_config.hpp"
#include "optim/update_rule.hpp"

namespace lorry::optim {

/// Loshchilov & Hutter 2019 (arXiv:1711.05101), in the form of torch.optim.AdamW. State of a parameter [R,C]:
/// exp_avg and exp_avg_sq, the running means of its gradient and of its square, both [R,C] F32.
std::unique_ptr<UpdateRule> make_adamw(const OptimizerConfig& config);

/// The numbers of one update, for the operators.
ops::AdamWOptions adamw_options(const OptimizerConfig& config, const Update& update);

}  // namespace lorry::optim
