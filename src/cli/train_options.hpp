// cli/train_options.hpp: the options of a training run, for every command that trains.
#pragma once
#include <string>

#include "cli/option_table.hpp"
#include "train/options.hpp"

namespace lorry::cli {

/// The heading of what describes a fresh adapter.
inline constexpr const char* kLoraGroup = "LoRA";
inline constexpr const char* kOptimizerGroup = "Optimiser and learning rate";

/// Adds all but the model and the adapter to start from. Borrows the options.
void add_train_options(OptionTable& table, train::TrainOptions& options, std::string out_help);

/// Adds what goes with checkpoints: for runs that are alone in their folder.
void add_checkpoint_options(OptionTable& table, train::TrainOptions& options);

/// Whether an option says something of the run as resolved, and so stands in its train.yaml.
bool belongs_to_run(const Option& option, const train::TrainOptions& options);

/// Of --steps and --epochs one counts: a flag rather than the file. Throws Error for both from one place.
void choose_duration(const OptionTable& table, train::TrainOptions& options);

/// A fresh adapter is what the LoRA options describe; given together with anything else they would be
/// ignored. Throws Error naming the one that is.
void check_lora_options(const OptionTable& table, const train::TrainOptions& options);

}  // namespace lorry::cli
