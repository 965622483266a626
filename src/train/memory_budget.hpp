// train/memory_budget.hpp: what of weights and block inputs stays in memory where a run may take only so
// much.
#pragma once
#include "train/run_inputs.hpp"

namespace lorry::train {

/// Has the model read from the disk, from now on, what does not fit beside the rest of the run into
/// options.memory_budget; where all fits, one that was streamed before is not any more. Only where two blocks
/// would not fit, block inputs go to a scratch file, as many as it takes: inputs.scratch says so. Nothing
/// without a budget. Nothing may be attached. Throws Error where even then not two blocks fit, with the least
/// budget that does, and for full fine-tuning, whose weights are not read but made.
void keep_to_budget(RunInputs& inputs, const TrainOptions& options);

}  // namespace lorry::train
