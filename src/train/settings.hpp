// train/settings.hpp: what decides a run's result, as JSON: recorded with it, and compared when it goes on.
#pragma once
#include <string>

#include "io/json_file.hpp"
#include "train/run_inputs.hpp"

namespace lorry::train {

/// Every option of a run that its result depends on, under its YAML name; not those that only say where
/// things are, or how fast and in how much memory they are computed.
io::OrderedJson settings_of(const TrainOptions& options);

/// Paths of model and data with digests of what was read from them.
io::OrderedJson inputs_of(const TrainOptions& options, const RunInputs& inputs);

/// What `now` has otherwise than `then`, for a message: `steps: 300, now 600`; empty if nothing. Paths of
/// inputs may differ, their digests may not.
std::string difference(const io::Json& then, const io::Json& now);

}  // namespace lorry::train
