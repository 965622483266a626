// data/packing.hpp: from documents to rows: their order, which ones share a sequence, and the rows
// themselves.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/index.hpp"
#include "data/batch.hpp"
#include "data/document_view.hpp"
#include "data/prompt_groups.hpp"

namespace lorry::data {

using Sequence = std::vector<Index>;  // documents, by their place in Dataset::documents

/// Order of `count` documents in an epoch: a permutation that depends on (seed, epoch) alone.
std::vector<Index> shuffled_order(Index count, std::uint64_t seed, Index epoch);

/// Documents of an epoch in its order: every one once without shares, else as often as its share says.
/// Depends on the arguments alone; without shuffling in the data's order.
std::vector<Index> epoch_order(Index count, std::span<const Share> shares, bool shuffle, std::uint64_t seed,
                               Index epoch);

/// Fills sequences of at most `capacity` rows with whole groups, in this order but for a bounded look-ahead:
/// a sequence takes the first of the next `look_ahead` groups that fits until none does. Deterministic;
/// `look_ahead` 1 keeps the order exactly.
std::vector<Sequence> pack_groups(const GroupedOrder& grouped, Index capacity, Index look_ahead);

/// Every group a sequence of its own.
std::vector<Sequence> one_group_each(const GroupedOrder& grouped);

/// The rows of these sequences, one after another, then padding. share_prompts: of documents with the same
/// prompt that follow one another the prompt is there once, but for its last token, as the parent of all; see
/// rows_spared().
Batch make_batch(DocumentView documents, std::span<const Sequence> sequences, Index row_multiple,
                 bool share_prompts = false);

}  // namespace lorry::data
