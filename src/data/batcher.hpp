// data/batcher.hpp: the batches of an epoch and of a whole run, fixed by the seed.
#pragma once
#include <cstdint>
#include <vector>

#include "core/index.hpp"
#include "data/batch.hpp"
#include "data/document_view.hpp"
#include "data/packing.hpp"

namespace lorry::data {

struct BatcherOptions {
  Index batch_size = 1;         // sequences per batch
  Index max_seq_length = 2048;  // rows per packed sequence, at least the longest document's
  bool pack = true;             // several documents, or groups of them, per sequence; false: one
  bool shuffle = true;          // false: the data's order in every epoch
  bool share_prompts = false;   // documents with the same prompt come together, and its rows are there once
  std::uint64_t seed = 0;
  std::vector<Share> shares = {};  // how often an epoch goes through which documents; empty: once through all
  Index row_multiple = 32;  // rows of a batch are padded to a multiple, so that few matrix shapes occur
};

/// All batches of one pass over the documents.
class EpochPlan {
 public:
  /// Borrows `documents`; they must outlive the plan.
  EpochPlan(DocumentView documents, const BatcherOptions& options, Index epoch);

  [[nodiscard]] Index size() const noexcept;
  [[nodiscard]] Batch batch(Index i) const;
  /// Of all batches, without padding; at most, where groups of the same prompt come to lie together.
  [[nodiscard]] Index tokens() const noexcept { return tokens_; }

 private:
  DocumentView documents_;
  std::vector<Sequence> sequences_;
  Index batch_size_;
  Index row_multiple_;
  bool share_prompts_;
  Index tokens_ = 0;
};

/// Where a run is in its data: all that a checkpoint has to keep.
struct BatcherState {
  Index epoch = 0;
  Index index = 0;  // of the next batch within the epoch

  friend bool operator==(const BatcherState&, const BatcherState&) = default;
};

/// Batches without end, epoch after epoch. The last batch of an epoch may hold fewer sequences.
/// For evaluation use EpochPlan with shuffle off.
class Batcher {
 public:
  /// Borrows `documents`, of which there is at least one, none longer than max_seq_length.
  /// Throws Error for a batch size below 1.
  Batcher(DocumentView documents, const BatcherOptions& options);

  Batch next();

  /// Batches (micro-steps) in `epoch`: differs a little from one to the next, because packing follows the
  /// shuffled order.
  [[nodiscard]] Index batches_in_epoch(Index epoch) const;
  /// Of the epoch that was planned last.
  [[nodiscard]] Index tokens_in_epoch() const noexcept { return plan_.tokens(); }
  /// Whether the batch that next() gave last ended its epoch; a step that accumulates stops there.
  [[nodiscard]] bool at_epoch_end() const noexcept { return state_.index == 0; }

  [[nodiscard]] BatcherState state() const noexcept { return state_; }
  /// Continues as if all batches before `state` had been given. Throws Error if the epoch has no such batch.
  void seek(BatcherState state);

 private:
  DocumentView documents_;
  BatcherOptions options_;
  BatcherState state_;
  Index planned_epoch_ = 0;
  EpochPlan plan_;  // of planned_epoch_
};

}  // namespace lorry::data
