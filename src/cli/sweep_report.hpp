// cli/sweep_report.hpp: what `lorry sweep` tells while it runs, and what it would do.
#pragma once
#include <memory>
#include <set>
#include <string>

#include "core/progress.hpp"
#include "io/json_file.hpp"
#include "sweep/run.hpp"

namespace lorry::cli {

/// Progress over cells with the time left, on standard error. Borrows the plan.
class SweepReport {
 public:
  explicit SweepReport(const sweep::Plan& plan) : plan_(plan) {}

  /// What the sweep is, and what of it is there already.
  void start(const train::RunInputs& inputs, const sweep::Results& results);
  void cell(Index cell, const sweep::Results& results);
  void begin(const train::RunPlan& plan);
  void step(const train::StepReport& report);
  void finish(Index cell, const sweep::Results& results);

 private:
  const sweep::Plan& plan_;
  std::string title_;                   // of the cell in work: "cell 3/21"
  std::set<std::string> warnings_;      // said already
  std::unique_ptr<Progress> progress_;  // of the cell in work
  std::optional<double> seconds_left_;  // of all cells, when the one in work began
  Stopwatch watch_;                     // since then
};

/// What --dry-run prints: every cell with rank, alpha, learning rate and parameters, and whether it is there.
std::string plan_text(const sweep::Plan& plan, const sweep::Results& results);
/// The same as one object.
io::OrderedJson plan_json(const sweep::Plan& plan, const sweep::Results& results);

}  // namespace lorry::cli
