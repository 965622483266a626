// train/optimizer_options.hpp: what a run's options say of the optimiser, its rates and the loss it lowers:
// checked together, turned into what the trainer takes, and told to readers of a run.
#pragma once
#include "io/json_file.hpp"
#include "optim/schedule.hpp"
#include "train/options.hpp"

namespace lorry::train {

/// Of a run of that many steps. Throws Error where the options are out of range or contradict each other.
optim::LearningRateSchedule make_schedule(const TrainOptions& options, Index steps);

/// All of these options, before anything is read. Throws Error where they are out of range, contradict each
/// other or would be ignored.
void check_optimizer_options(const TrainOptions& options);

/// Adds those that were given, by their YAML keys; the learning rate's peak, kind and warm-up steps and the
/// weight decay are not among them.
void add_optimizer_settings(const TrainOptions& options, io::OrderedJson& json);

}  // namespace lorry::train
