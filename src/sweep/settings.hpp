// sweep/settings.hpp: what decides a cell's result, as JSON: recorded with it, compared when a sweep goes on.
#pragma once
#include <string>

#include "io/json_file.hpp"
#include "train/run_inputs.hpp"

namespace lorry::sweep {

/// Every option of a run that its result depends on, under its YAML name; not those that only say where
/// things are, or how fast and in how much memory they are computed.
io::OrderedJson settings_of(const train::TrainOptions& options);

/// Paths of model and data with digests of what was read from them.
io::OrderedJson inputs_of(const train::TrainOptions& options, const train::RunInputs& inputs);

/// What `now` has otherwise than `then`, for a message: `steps: 300, now 600`; empty if nothing. Paths of
/// inputs may differ, their digests may not.
std::string difference(const io::Json& then, const io::Json& now);

/// The YAML file with which `lorry train --config` repeats the run.
std::string train_yaml(const train::TrainOptions& options);

}  // namespace lorry::sweep
