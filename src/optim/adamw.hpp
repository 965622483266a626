// optim/adamw.hpp: the rule of AdamW.
#pragma once
#include <memory>

#include "optim/optimizer_config.hpp"
#include "optim/update_rule.hpp"

namespace lorry::optim {

/// Loshchilov & Hutter 2019 (arXiv:1711.05101), in the form of torch.optim.AdamW. State of a parameter [R,C]:
/// exp_avg and exp_avg_sq, the running means of its gradient and of its square, both [R,C] F32. Throws Error
/// if a number is out of range.
std::unique_ptr<UpdateRule> make_adamw(const OptimizerConfig& config);

}  // namespace lorry::optim
