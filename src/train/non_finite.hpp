// train/non_finite.hpp: where in a step numbers ceased to be finite, for the message that ends a run.
#pragma once
#include <span>
#include <string>

#include "model/decoder.hpp"
#include "optim/parameter.hpp"

namespace lorry::train {

/// After a pass with a loss that is not finite: a trained tensor that is not, else the first part of the
/// model whose output is not ("model.layers.3").
std::string where_loss_broke(const model::Decoder& decoder, const model::Decoder::Workspace& workspace,
                             std::span<const optim::Parameter> parameters);

/// After backward passes that left a gradient that is not finite: the first one in the order of computation,
/// which goes from the last layer to the first.
std::string where_gradient_broke(std::span<const optim::Parameter> parameters);

}  // namespace lorry::train
