// train/memory.hpp: the peak memory of a run by its parts, from shapes alone.
#pragma once
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "train/run_inputs.hpp"
#include "train/run_size.hpp"

namespace lorry::train {

/// Bytes resident at the peak.
struct MemoryParts {
  Index weights =
      0;  // LoRA: of the file, as they are mapped, or int8 copies; full: float32 and what computes
  Index adapters = 0;  // A and B, and what the weights go without
  Index gradients = 0;
  Index optimizer = 0;     // its state
  Index activations = 0;   // with the room for temporaries
  Index logits = 0;        // of the loss head
  Index data = 0;          // tokens
  Index program = 0;       // the rest: code, tokenizer, what the kernels keep
  Index int8_copies = 0;   // counted in `weights`: what the process holds beside mapped files
  Index scratch_file = 0;  // block inputs: on the disk, no part of the list or of its total

  [[nodiscard]] std::array<std::pair<std::string_view, Index>, 8> list() const;
  [[nodiscard]] Index total() const;
  /// What the system cannot drop and read again from a file.
  [[nodiscard]] Index anonymous(Method method) const;
};

/// The largest batch of a run.
struct LargestBatch {
  Index rows = 0;
  Index targets = 0;
  Index longest = 0;  // tokens of a document
};

/// As options and model say; with `data` no larger than they are, and with their share of targets.
LargestBatch largest_batch(const TrainOptions& options, const model::ModelConfig& config,
                           const data::Dataset* data);

/// What a run whose weights are read from the disk has in memory of them and of its block inputs.
struct StreamedRun {
  Index weights = 0;       // bytes of blocks and head at once
  Index block_inputs = 0;  // of each batch that are in a scratch file instead
};

/// Of `inputs` as they are open now; without data where they hold none. `resident`: of this process now, with
/// model, tokenizer and data open and nothing computed. `streamed`: empty: all weights are in memory.
MemoryParts predict_memory(const RunInputs& inputs, const RunSize& size, const TrainOptions& options,
                           Index resident, const std::optional<StreamedRun>& streamed = std::nullopt);

io::OrderedJson to_json(const MemoryParts& parts);

}  // namespace lorry::train
