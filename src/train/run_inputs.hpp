// train/run_inputs.hpp: what several runs may share: an opened model and tokenised data.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "data/batcher.hpp"
#include "data/dataset.hpp"
#include "model/loaded_model.hpp"
#include "train/options.hpp"

namespace lorry::train {

/// Filled by open_inputs. A run borrows it and leaves it as it was, so that the next one gives what it would
/// have given alone; one run at a time.
struct RunInputs {
  model::LoadedModel model;  // frozen, nothing attached
  Index max_seq_length = 0;  // TrainOptions::sequence_length
  data::Dataset data = {};
  std::optional<data::Dataset> eval_data = std::nullopt;
  /// What of a step goes to a scratch file; filled by keep_to_budget (train/memory_budget.hpp).
  struct Scratch {
    Index block_inputs = 0;  // of each batch, from the lowest that trains on; 0: there is no file
    Index bytes = 0;         // that it comes to
  };
  Scratch scratch = {};
  std::vector<std::string> warnings = {};  // "max_seq_length 4096 is above the model's positions; using 2048"
};

/// Opens and reads what options.model, adapter (its chat template), data, eval_data, reading, max_seq_length,
/// dtype and threads say; no other option matters. Throws Error.
RunInputs open_inputs(const TrainOptions& options);

/// How a run on these takes its batches.
data::BatcherOptions batcher_options(const RunInputs& inputs, const TrainOptions& options);

}  // namespace lorry::train
