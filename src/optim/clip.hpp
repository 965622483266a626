// optim/clip.hpp: gradient clipping by the norm over all parameters.
#pragma once
#include <span>

#include "ops/ops.hpp"
#include "optim/parameter.hpp"

namespace lorry::optim {

/// Euclidean norm of all gradients together. Not finite when a gradient is not: the caller must look, for
/// an update would spread it to every weight.
double global_norm(ops::Ops& ops, std::span<const Parameter> parameters);

/// What multiplies the gradients so that their norm is at most `max_norm`: max_norm / (norm + 1e-6), at most
/// 1, as torch.nn.utils.clip_grad_norm_. max_norm 0: no clipping. `norm` must be finite.
float clip_scale(double norm, double max_norm);

}  // namespace lorry::optim
