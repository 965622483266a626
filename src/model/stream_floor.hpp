// model/stream_floor.hpp: the least time that passes over streamed weights can take on this machine.
#pragma once
#include "io/scratch_queue.hpp"
#include "model/loaded_model.hpp"

namespace lorry::model {

/// What the machine can do at best, as it was measured.
struct MachinePeaks {
  double flops = 0;       // per second, of the best of some products in the compute type, operands in cache
  double disk_bytes = 0;  // per second, of reading one of the model's files from the disk in order
};

/// Takes about two seconds. Throws Error where a file cannot be read.
MachinePeaks measure_peaks(const LoadedModel& model);

/// Each alone. Of the disk: 0 where the files are too short to tell.
double measure_peak_flops(const LoadedModel& model);
double measure_peak_disk(const LoadedModel& model);

/// Of the matrices of one block.
Index product_elements(const ModelConfig& config);

/// Floating point operations of the products of a pass forward; head_rows: those that logits are wanted of.
double forward_flops(const ModelConfig& config, Index rows, Index head_rows);

/// Passes over streamed weights, and what they are held against.
struct StreamedWork {
  WeightStream::Totals read = {};
  io::ScratchQueue::Totals scratch = {};  // of block inputs; no floor counts it, since memory may take it all
  double seconds = 0;                     // that the passes took
  double flops =
      0;  // of their products with the model's weights, computed again ones included; 0: not counted
  MachinePeaks peaks = {};

  [[nodiscard]] double disk_floor() const;     // seconds
  [[nodiscard]] double product_floor() const;  // seconds
  /// seconds over the larger floor; 0 where there is none.
  [[nodiscard]] double times_floor() const;
};

}  // namespace lorry::model
