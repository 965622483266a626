// train/check_run.hpp: what a run would refuse, found before anything is trained or written.
#pragma once
#include "train/run_inputs.hpp"

namespace lorry::train {

/// What the flags' own ranges cannot say. Throws Error.
void check_options(const TrainOptions& options);

/// What early stopping and the best checkpoint need beside the flags: held-out data, and losses on the way.
/// Throws Error.
void check_stopping(const TrainOptions& options, const RunInputs& inputs);

/// The same with all that needs the model: targets, rank, alpha, optimiser, schedule. run_on refuses nothing
/// else before its first step, but for its output folder and an adapter to start from. Costs next to nothing.
void check_run(const RunInputs& inputs, const TrainOptions& options);

}  // namespace lorry::train
