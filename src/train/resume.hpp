// train/resume.hpp: a run's whole state into a checkpoint folder and back. A checkpoint is a PEFT adapter (or
// with the full method a model folder, in float32 whatever the model's type) with more files beside it.
#pragma once
#include <functional>
#include <optional>

#include "train/run_state.hpp"
#include "train/trainee.hpp"

namespace lorry::train {

struct RunObserver;

/// What of a run changes with every step; borrowed.
struct RunParts {
  Trainee& trainee;
  Trainer& trainer;
  data::Batcher& batcher;
  const RunObserver& observer;
};

/// Writes OUT/checkpoint-N for the state's step; it appears complete or not at all, in place of one that is
/// there. Throws Error, Diverged where a trained tensor is not finite.
void save_checkpoint(const std::filesystem::path& out, const RunRecord& record, const RunParts& parts);

/// Puts everything back as it was. Throws Error naming the file that does not fit.
void load_checkpoint(const std::filesystem::path& folder, const RunState& state, const RunParts& parts);

/// Throws Error naming what differs between the run as it was begun and as it is asked for now. `folder`:
/// where `then` was read.
void check_same_run(const std::filesystem::path& folder, const RunRecord& then, const RunRecord& now);

}  // namespace lorry::train
