// train/run.hpp: one training run: what `lorry train` does, from folders or on inputs that several runs
// share.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "data/dataset.hpp"
#include "model/stream_floor.hpp"
#include "train/evaluate.hpp"
#include "train/log_file.hpp"
#include "train/options.hpp"
#include "train/profile.hpp"
#include "train/run_inputs.hpp"
#include "train/run_state.hpp"
#include "train/trainer.hpp"

namespace lorry::train {

/// What is known when training starts.
struct RunPlan {
  Index steps = 0;
  Index max_seq_length = 0;  // as asked, or the model's positions if those are fewer
  Index trainable_parameters = 0;
  Index model_parameters = 0;
  Index adapted_modules = 0;
  DType dtype = DType::kF32;
  nn::Int8Products int8 = nn::Int8Products::kNone;
  std::string cpu;       // Ops::description
  Index first_step = 0;  // done already: that of the checkpoint from which the run goes on
  data::Statistics data;
  std::string data_format;  // "messages (template chatml)"
  std::optional<data::Statistics> eval_data = std::nullopt;
  std::vector<std::string> warnings;  // "the rank is above the smaller side of 4 layers (...)"
};

/// A run seen from inside between two steps.
struct LiveRun {
  Index step = 0;  // optimiser steps done
  Index total_steps = 0;
  double loss = 0;                          // of the last step, nats per token; meaningless before the first
  bool last = false;                        // no step follows: the last one, or the run stops early
  const model::Adapter* adapter = nullptr;  // as it is now; null with the full method
  model::Decoder& decoder;                  // the adapter's maps with their frozen weights, and the operators
  LogFile& log;                             // log.jsonl: takes lines of its own kind
  const RunInputs* inputs = nullptr;        // what the run trains on
};

/// What a run reports while it goes on; each may be empty.
struct RunObserver {
  /// All is open, and nothing made yet that takes much memory. Must leave the inputs as they were.
  std::function<void(RunInputs&)> on_open = {};
  std::function<void(const RunPlan&)> on_start = {};
  std::function<void(const StepReport&)> on_step = {};
  std::function<void(Index step, const Evaluation&)> on_evaluation = {};
  /// Told every line of log.jsonl, once it is written.
  std::function<void(const io::OrderedJson& line)> on_log = {};
  /// Called before the first step and after each one, once that step is logged and reported. What it does is
  /// not part of the steps' time; it must leave the decoder as it is.
  /// A run that stops early calls it once more for its last step, with LiveRun::last.
  std::function<void(const LiveRun&)> monitor = {};
  /// What `monitor` remembers goes into a checkpoint's folder and comes back from it.
  std::function<void(const std::filesystem::path& folder)> save_state = {};
  std::function<void(const std::filesystem::path& folder)> load_state = {};
  /// Asked between steps: whether to write a checkpoint and leave (RunEnd::kInterrupted).
  std::function<bool()> stop_requested = {};
};

enum class RunEnd {
  kFinished,         // after the last step
  kStoppedEarly,     // options.early_stopping_patience
  kInterrupted,      // stop_requested: no result yet, --resume goes on
  kFinishedEarlier,  // options.resume on a folder that held the result already
};

struct RunResult {
  RunEnd end = RunEnd::kFinished;
  Index steps = 0;               // done
  double loss = 0;               // of the last step, nats per token
  double tokens_per_second = 0;  // data tokens over the time spent in steps
  double seconds = 0;            // in steps
  Index peak_rss_bytes = 0;
  Index trainable_parameters = 0;
  std::optional<Evaluation> first_evaluation = std::nullopt;
  std::optional<Evaluation> last_evaluation = std::nullopt;
  std::optional<RunState::Best> best = std::nullopt;  // lowest held-out loss after a step
  std::filesystem::path checkpoint = {};              // that an interrupted run left; empty: none was needed
  /// Of the steps of this start, where weights were streamed.
  struct Streamed {
    Index steps = 0;
    model::StreamedWork work = {};
  };
  std::optional<Streamed> streamed = std::nullopt;
  std::optional<Profile> profile = std::nullopt;  // of the steps of this start, with options.profile
  std::vector<std::string> warnings = {};  // of a run that came to its end, but hardly to what was wanted
};

/// Trains and writes options.out: log.jsonl as it goes, at the end the PEFT adapter or, for the full method,
/// the weights of a model folder whose other files were copied at the start. Checkpoints as the options say;
/// with options.resume it goes on from the last one, bit for bit as if it had never stopped. Throws Error,
/// before any work where the folder cannot be written or already holds weights.
RunResult run_training(const TrainOptions& options, const RunObserver& observer);

/// What run_training would refuse of an earlier start of the run in options.out; writes nothing. `finished`:
/// as check_output_folder gives it. The steps that are done already. Throws Error.
Index check_earlier_start(const RunInputs& inputs, const TrainOptions& options, bool finished);

/// The same as run_training on inputs that are open already: of `options`, those that open_inputs reads have
/// no effect here. The inputs are afterwards as they were, also after an Error, and the result is bit for bit
/// that of run_training. Such a run keeps no checkpoints, no record of its state and no profile.
RunResult run_on(RunInputs& inputs, const TrainOptions& options, const RunObserver& observer);

}  // namespace lorry::train
