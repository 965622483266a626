// train/run_state.hpp: how far a run has come: with the trained tensors and the optimiser's, all that it
// takes to go on as if it had never stopped. Everything random follows from the seed and these counters.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "data/batcher.hpp"
#include "io/json_file.hpp"
#include "train/evaluate.hpp"

namespace lorry::train {

/// In every checkpoint, and in the output folder once the run is finished; transformers calls it so too.
inline constexpr std::string_view kStateFile = "trainer_state.json";

struct RunState {
  /// The lowest held-out loss after the first step.
  struct Best {
    Index step = 0;
    double loss = 0;
  };

  Index step = 0;                // optimiser steps done
  Index micro_steps = 0;         // batches seen: the counter of dropout
  data::BatcherState data = {};  // the next batch
  Index log_bytes = 0;           // of log.jsonl up to here
  bool ended = false;            // stopped early: no step follows
  std::optional<Best> best = std::nullopt;
  Index evaluations_since_best = 0;

  // For the summary.
  double loss = 0;     // of the last step
  double seconds = 0;  // in steps
  Index tokens = 0;
  Index trainable_parameters = 0;
  Index peak_rss_bytes = 0;
  std::optional<Evaluation> first_evaluation = std::nullopt;
  std::optional<Evaluation> last_evaluation = std::nullopt;

  /// Takes an evaluation after a step into account; whether it is the best one so far. Among equals the
  /// earlier one stays.
  bool add_evaluation(const Evaluation& evaluation);
};

/// A state and what the run was made from (train/settings.hpp), for comparison.
struct RunRecord {
  RunState state;
  io::OrderedJson settings;
  io::OrderedJson inputs;
  std::string cpu;  // Ops::description: other hardware may round otherwise
};

/// FOLDER/trainer_state.json, atomically. Throws Error.
void write_run_record(const std::filesystem::path& folder, const RunRecord& record);
/// Throws Error naming file and field.
RunRecord read_run_record(const std::filesystem::path& folder);

}  // namespace lorry::train
