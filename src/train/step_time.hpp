// train/step_time.hpp: the time of one optimiser step, predicted from measurements of a few seconds.
#pragma once
#include <optional>

#include "model/stream_floor.hpp"
#include "train/probe.hpp"

namespace lorry::train {

struct StepTime {
  double seconds = 0;        // of one step with batches as large as they get
  Index tokens = 0;          // of such a step
  double probe_seconds = 0;  // that measuring took
  Index probe_blocks = 0;    // of the model that was measured
  Index probe_rows = 0;      // of its batch
  MachineRates rates = {};
  // Where weights are streamed; else 0:
  Index disk_bytes = 0;  // read from the files in a step
  double disk_bytes_per_second =
      0;  // as it was measured, whatever part of the files the system has in memory
  model::StreamedWork streamed = {};  // the same step, and its floors
};

/// Floating point operations of a step's products with the model's weights; what is computed again counts
/// again. rows, targets: of the whole step.
double step_flops(const model::ModelConfig& config, const TrainOptions& options, const RunSize& size,
                  Index rows, Index targets);

/// Measures whole steps where that takes about a second, else steps of one and two blocks with fewer rows,
/// from which the model's are worked out: blocks alike, rows alike but for attention. Of a model that is
/// streamed a second's worth is read; a step takes what the slower of processor and disk does, which is taken
/// to write and read block inputs as fast as it reads weights. `inputs` are as keep_to_budget left them, and
/// may hold no data.
StepTime predict_step_time(const RunInputs& inputs, const RunSize& size, const TrainOptions& asked);

}  // namespace lorry::train
