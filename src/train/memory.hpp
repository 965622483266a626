// train/memory.hpp: the peak memory of a run by its parts, from shapes alone.
#pragma once
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "data/dataset.hpp"
#include "train/run_size.hpp"

namespace lorry::train {

/// Bytes resident at the peak.
struct MemoryParts {
  Index weights = 0;   // LoRA: of the file, as they are mapped; full: float32 and what computes
  Index adapters = 0;  // A and B, and what the weights go without
  Index gradients = 0;
  Index optimizer = 0;    // its state
  Index activations = 0;  // with the room for temporaries
  Index logits = 0;       // of the loss head
  Index data = 0;         // tokens
  Index program = 0;      // the rest: code, tokenizer, what the kernels keep

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

/// `data`: may be null. `resident`: of this process now, with model, tokenizer and data open and nothing
/// computed. `streamed`: bytes of blocks and head that are in memory at once where the rest is read from the
/// disk; empty: all are.
MemoryParts predict_memory(const model::LoadedModel& model, const RunSize& size, const TrainOptions& options,
                           const data::Dataset* data, Index resident,
                           std::optional<Index> streamed = std::nullopt);

io::OrderedJson to_json(const MemoryParts& parts);

}  // namespace lorry::train
