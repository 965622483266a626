// cli/observation.hpp: who looks on while `lorry train` runs: TensorBoard's event files, samples, the X-ray.
#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/option_table.hpp"
#include "cli/train_report.hpp"
#include "train/event_writer.hpp"
#include "train/samples.hpp"
#include "train/xray.hpp"

namespace lorry::cli {

struct ObservationFlags {
  bool tensorboard = true;
  std::filesystem::path logging_dir;
  std::vector<std::string> sample_prompts;  // texts and files of them
  Index sample_steps = 0;
  Index sample_tokens = train::kDefaultSampleTokens;
};

/// Adds these and --xray-steps. Borrows both.
void add_observation_options(OptionTable& table, ObservationFlags& flags, train::TrainOptions& options);

/// Throws OptionError for what would have no effect.
void check_observation(const OptionTable& table, const ObservationFlags& flags,
                       const train::TrainOptions& options);

/// Whether the option goes into train.yaml, which starts a new run of its own.
bool is_repeatable(const Option& option, const ObservationFlags& flags);

/// The observers of one run. Borrows all that it is made with.
class Observation {
 public:
  /// Throws Error for prompts that cannot be read.
  Observation(const ObservationFlags& flags, const train::TrainOptions& options, TrainReport& report);

  /// Takes its places in `observer`, all but on_start.
  void connect(train::RunObserver& observer);
  /// Once the plan is known; `config`: the resolved options as YAML. Throws Error where event files cannot be
  /// written.
  void start(const train::RunPlan& plan, const std::string& config);

  /// Null without --xray-steps.
  [[nodiscard]] const train::Xray* xray() const { return xray_ ? &*xray_ : nullptr; }

 private:
  const ObservationFlags& flags_;
  const train::TrainOptions& options_;
  std::optional<train::Xray> xray_;
  std::optional<train::Samples> samples_;
  std::optional<train::EventWriter> events_;
};

}  // namespace lorry::cli
