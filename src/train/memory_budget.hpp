// train/memory_budget.hpp: what of the weights stays in memory where a run may take only so much.
#pragma once
#include <optional>

#include "train/run_inputs.hpp"
#include "train/run_size.hpp"

namespace lorry::train {

/// Bytes of blocks and head that fit beside the rest of the run into options.memory_budget; empty without
/// one, and where the whole model fits. Throws Error where not even two blocks fit, with the least budget
/// that does, and for full fine-tuning, whose weights are not read but made.
std::optional<Index> streamed_bytes(RunInputs& inputs, const RunSize& size, const TrainOptions& options);

/// Has the model read from the disk what streamed_bytes says that memory does not hold, from now on; inputs
/// whose model was streamed before go back to one that is not where that is empty. Nothing may be attached.
void keep_to_budget(RunInputs& inputs, const TrainOptions& options);

}  // namespace lorry::train
