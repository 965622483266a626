// cli/train_report.hpp: what `lorry train` tells while it runs and when it is done.
#pragma once
#include <memory>

#include "core/progress.hpp"
#include "io/json_file.hpp"
#include "train/run.hpp"
#include "train/run_page.hpp"
#include "train/samples.hpp"
#include "train/xray.hpp"

namespace lorry::cli {

/// In the output folder: the resolved options, for --config.
inline constexpr std::string_view kTrainConfigFile = "train.yaml";

/// Plan, progress and held-out losses on standard error. Borrows the options.
class TrainReport {
 public:
  explicit TrainReport(const train::TrainOptions& options) : options_(options) {}

  void start(const train::RunPlan& plan);
  void step(const train::StepReport& report);
  void evaluation(Index step, const train::Evaluation& evaluation);
  void xray(const train::XrayReport& report);
  void samples(const train::SampleReport& report);
  /// What start() said, for the run report.
  [[nodiscard]] const train::RunFacts& setup() const noexcept { return setup_; }
  [[nodiscard]] const std::string& computing() const noexcept { return computing_; }
  /// Ends the progress line, and warns.
  void finish(const train::RunResult& result);

 private:
  void start_progress();

  const train::TrainOptions& options_;
  train::RunFacts setup_;  // model, method, data, schedule
  std::string computing_;
  Index total_steps_ = 0;
  Index first_step_ = 0;
  std::unique_ptr<Progress> progress_;  // made when the first step begins: its rate is that of the steps
  double tokens_ = 0;
  double seconds_ = 0;
};

/// Why there is no result yet, and what to do about it.
std::string interrupted_line(const train::RunResult& result);
/// Result, paths and what to try next, for people.
std::string train_summary(const train::TrainOptions& options, const train::RunResult& result);
/// The same as one object.
io::OrderedJson train_json(const train::TrainOptions& options, const train::RunResult& result);

}  // namespace lorry::cli
