// train/loop.hpp: the steps of one run in order, with evaluations, log, monitor and checkpoints between them.
#pragma once
#include <functional>

#include "train/run.hpp"
#include "train/run_watch.hpp"
#include "train/streamed_steps.hpp"
#include "train/trainee.hpp"

namespace lorry::train {

/// Everything that the loop goes through; borrowed.
struct Loop {
  const RunInputs& inputs;
  const TrainOptions& options;
  const RunObserver& observer;
  const Trainee& trainee;
  Trainer& trainer;
  data::Batcher& batcher;
  LogFile& log;
  RunWatch& watch;
  Index steps = 0;                    // of the whole run
  StreamedSteps* streamed = nullptr;  // null: all weights are in memory
  Profiler* profiler = nullptr;       // null: steps are not taken apart
  std::function<void()> save = {};    // writes a checkpoint of the state; empty: the run keeps none
};

/// Goes on from `state` to the last step, the early end or a request to stop, and leaves in `state` how far
/// it came. Throws Error; the state is then of no use.
RunEnd run_steps(const Loop& loop, RunState& state);

}  // namespace lorry::train
