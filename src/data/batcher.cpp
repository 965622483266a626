#include "data/batcher.hpp"

#include <algorithm>
#include <utility>

#include "core/check.hpp"
#include "core/error.hpp"
#include "core/option_error.hpp"

namespace lorry::data {
namespace {

constexpr Index kLookAhead = 64;  // groups; enough to fill gaps, too few to bias what an early step sees

constexpr std::uint64_t kGroupSeed = 0xD1B54A32D192ED03ULL;  // of groups: apart from the order of documents

/// The groups of an epoch. Shuffled once more, since in the order of their first documents large ones come
/// early.
GroupedOrder grouped_order(DocumentView documents, const BatcherOptions& options, Index epoch) {
  std::vector<Index> order =
      epoch_order(documents.size(), options.shares, options.shuffle, options.seed, epoch);
  if (!options.share_prompts) return ungrouped(documents, std::move(order));
  GroupedOrder grouped = group_by_prompt(documents, order, options.max_seq_length);
  if (!options.shuffle) return grouped;
  std::vector<DocumentGroup> shuffled;
  shuffled.reserve(grouped.groups.size());
  for (const Index i : shuffled_order(std::ssize(grouped.groups), options.seed + kGroupSeed, epoch)) {
    shuffled.push_back(grouped.groups[static_cast<std::size_t>(i)]);
  }
  grouped.groups = std::move(shuffled);
  return grouped;
}

BatcherOptions checked(DocumentView documents, const BatcherOptions& options) {
  if (options.batch_size < 1) {
    throw OptionError("[data] --batch-size: found {}; expected at least 1", options.batch_size);
  }
  LORRY_CHECK(!documents.empty());
  return options;
}

}  // namespace

EpochPlan::EpochPlan(DocumentView documents, const BatcherOptions& options, Index epoch)
    : documents_(documents),
      batch_size_(options.batch_size),
      row_multiple_(options.row_multiple),
      share_prompts_(options.share_prompts) {
  LORRY_CHECK(batch_size_ >= 1);
  const GroupedOrder grouped = grouped_order(documents, options, epoch);
  for (const DocumentGroup& group : grouped.groups) tokens_ += group.rows;
  sequences_ = options.pack
                   ? pack_groups(grouped, options.max_seq_length, options.shuffle ? kLookAhead : Index{1})
                   : one_group_each(grouped);
}

Index EpochPlan::size() const noexcept {
  return (static_cast<Index>(sequences_.size()) + batch_size_ - 1) / batch_size_;
}

Batch EpochPlan::batch(Index i) const {
  LORRY_CHECK(i >= 0 && i < size());
  const std::size_t first = static_cast<std::size_t>(i * batch_size_);
  const std::size_t count = std::min(static_cast<std::size_t>(batch_size_), sequences_.size() - first);
  return make_batch(documents_, std::span(sequences_).subspan(first, count), row_multiple_, share_prompts_);
}

Batcher::Batcher(DocumentView documents, const BatcherOptions& options)
    : documents_(documents), options_(checked(documents, options)), plan_(documents, options_, 0) {}

Batch Batcher::next() {
  if (planned_epoch_ != state_.epoch) {
    plan_ = EpochPlan(documents_, options_, state_.epoch);
    planned_epoch_ = state_.epoch;
  }
  Batch batch = plan_.batch(state_.index);
  ++state_.index;
  if (state_.index == plan_.size()) state_ = {state_.epoch + 1, 0};
  return batch;
}

Index Batcher::batches_in_epoch(Index epoch) const {
  return epoch == planned_epoch_ ? plan_.size() : EpochPlan(documents_, options_, epoch).size();
}

void Batcher::seek(BatcherState state) {
  if (state.epoch < 0 || state.index < 0 || state.index >= batches_in_epoch(state.epoch)) {
    throw Error(
        "[data] position: found batch {} of epoch {}; expected one that this data and batch size give",
        state.index, state.epoch);
  }
  state_ = state;
}

}  // namespace lorry::data
