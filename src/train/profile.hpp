// train/profile.hpp: what the steps of a run spend their time on.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/json_file.hpp"
#include "model/loaded_model.hpp"
#include "ops/op_times.hpp"
#include "train/trainer.hpp"

namespace lorry::train {

/// Of all steps of a start but its first, which prepares products and touches memory for the first time;
/// where no other follows, of that one.
struct Profile {
  Index steps = 0;
  double seconds = 0;  // of whole steps, their data included
  double data = 0;     // of these: making batches
  double waited = 0;   // for weights from the disk
  ops::OpTimes ops;
  double peak_flops = 0;  // per second: the machine's best product in the compute type, measured afterwards

  /// One row of the table: a part of the step and what it took.
  struct Part {
    std::string name;
    double seconds = 0;           // per step
    double share = 0;             // of the step
    double flops_per_second = 0;  // 0: not counted
  };
  /// The largest first; "other" is what no part accounts for, and comes last. Parts that took nothing are
  /// left out.
  [[nodiscard]] std::vector<Part> parts() const;
};

/// {"steps", "seconds_per_step", "peak_flops_per_second", "parts": [{"name", "seconds", "share",
/// "flops_per_second"}]}; the rate is the measured peak.
io::OrderedJson to_json(const Profile& profile);

/// Takes a run's steps apart.
class Profiler {
 public:
  /// Borrows the model, whose operators are timed from here on; its decoder is another one afterwards.
  explicit Profiler(model::LoadedModel& model);

  void begin();
  /// `data_seconds`: that making the step's batches took, since begin().
  void end(double data_seconds, const StepReport& report);

  /// Measures the machine's peak. Nothing before the first step.
  [[nodiscard]] std::optional<Profile> result() const;

 private:
  [[nodiscard]] double waited() const;

  model::LoadedModel& model_;
  std::shared_ptr<const ops::OpTimes> times_;
  ops::OpTimes times_before_;
  double waited_before_ = 0;
  Profile sum_;
  Index steps_ = 0;  // that ended, the first one included
};

}  // namespace lorry::train
