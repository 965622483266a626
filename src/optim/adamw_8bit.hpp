// optim/adamw_8bit.hpp: the rule of AdamW with moments of 8 bits.
#pragma once
#include <memory>

#include "optim/optimizer_config.hpp"
#include "optim/update_rule.hpp"

namespace lorry::optim {

/// A parameter of fewer elements keeps its state in float32.
inline constexpr Index kFewest8BitElements = 4096;

/// Dettmers et al. 2021 (arXiv:2110.02861), with the blocks, the map and the exception of bitsandbytes'
/// AdamW8bit: a parameter of fewer than 4096 elements has the state of AdamW. Of any other [R,C]: exp_avg and
/// exp_avg_sq [R,C] U8, exp_avg.absmax and exp_avg_sq.absmax [1, R*C/256] F32: 2.03 bytes per element.
std::unique_ptr<UpdateRule> make_adamw_8bit(const OptimizerConfig& config);

}  // namespace lorry::optim
