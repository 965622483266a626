// cli/plan_report.hpp: what `lorry train --dry-run` and `lorry estimate` print.
#pragma once
#include <string>

#include "cli/option_table.hpp"
#include "io/json_file.hpp"
#include "train/plan.hpp"
#include "train/step_time.hpp"

namespace lorry::cli {

/// The parts of the peak, and what is available.
std::string memory_text(const train::MemoryParts& parts, const std::optional<Index>& available);

/// One step, how it was found, and all `steps` (0: not known).
std::string time_text(const train::StepTime& time, Index steps);
io::OrderedJson time_json(const train::StepTime& time, Index steps);

/// Trained parameters by module, steps and tokens, the result's size, memory, time.
std::string dry_run_text(const train::TrainOptions& options, const train::DryRun& plan,
                         const train::StepTime& time);
/// The same, with the config that repeats the run (options_json).
io::OrderedJson dry_run_json(io::OrderedJson config, const train::DryRun& plan, const train::StepTime& time);

/// Every option of a config that has a value, by its YAML key: numbers and switches as such.
io::OrderedJson options_json(const OptionTable& table, const std::function<bool(const Option&)>& include);

}  // namespace lorry::cli
