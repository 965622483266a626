// cli/run_report.hpp: OUT/report.html, what `lorry train` leaves to be looked at.
#pragma once
#include <ctime>
#include <string>
#include <vector>

#include "cli/option_table.hpp"
#include "train/advice.hpp"
#include "train/run.hpp"
#include "train/run_page.hpp"

namespace lorry::cli {

/// What of a run the report tells beside its log and its options.
struct RunStory {
  std::time_t started = 0;                 // of this start of the run
  Index steps = 0;                         // of the whole run; 0: not known
  Index first_step = 0;                    // done by earlier starts
  train::RunFacts setup = {};              // model, data, schedule
  std::string computing = {};              // element type and processor
  std::vector<train::Advice> advice = {};  // of the X-ray
};

/// Writes it in place of one that is there. Throws Error.
void write_run_report(const OptionTable& table, const train::TrainOptions& options, const RunStory& story,
                      const train::RunResult& result);
/// The same of a run that ended with `error`.
void write_run_report(const OptionTable& table, const train::TrainOptions& options, const RunStory& story,
                      const std::string& error);

}  // namespace lorry::cli
