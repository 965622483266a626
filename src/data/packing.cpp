#include "data/packing.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/check.hpp"
#include "core/rng.hpp"

namespace lorry::data {
namespace {

constexpr std::uint64_t kOrderStream = 0x6F72646572ULL
                                       << 24;  // "order": apart from dropout and initialisation
constexpr std::uint64_t kShareSeed =
    0x9E3779B97F4A7C15ULL;  // which documents of a part of a file: apart from the order

/// The rows of tokens [first, last) as a document that goes on from `parent`.
void append_rows(const Document& document, Index first, Index last, Index parent, Batch& batch) {
  for (Index t = first; t < last; ++t) {
    const bool learns = document.learns(t + 1);
    batch.ids.push_back(document.ids[static_cast<std::size_t>(t)]);
    batch.targets.push_back(learns ? document.ids[static_cast<std::size_t>(t + 1)] : -1);
    batch.positions.push_back(static_cast<std::int32_t>(t));
    if (learns) ++batch.target_count;
  }
  batch.offsets.push_back(batch.rows());
  batch.parents.push_back(parent);
  batch.token_count += last - first;
}

/// Documents with the same prompt.
void append_group(std::span<const Document> group, Batch& batch) {
  const Index prompt = std::ssize(group.front().prompt());
  if (rows_spared(std::ssize(group), prompt) == 0) {
    for (const Document& document : group) append_rows(document, 0, document.size(), -1, batch);
    return;
  }
  const Index parent = batch.documents();
  append_rows(group.front(), 0, prompt - 1, -1, batch);
  for (const Document& document : group) {
    append_rows(document, prompt - 1, document.size() - 1, parent, batch);
  }
}

void append_padding(Index row_multiple, Batch& batch) {
  const Index excess = batch.rows() % row_multiple;
  if (excess == 0) return;
  for (Index t = 0; t < row_multiple - excess; ++t) {
    batch.ids.push_back(0);
    batch.targets.push_back(-1);
    batch.positions.push_back(0);  // whatever the model's longest text is
  }
  batch.offsets.push_back(batch.rows());
  batch.parents.push_back(-1);
}

}  // namespace

std::vector<Index> shuffled_order(Index count, std::uint64_t seed, Index epoch) {
  std::vector<Index> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), Index{0});
  Rng rng(seed, kOrderStream + static_cast<std::uint64_t>(epoch));
  for (Index i = count - 1; i > 0; --i) {  // Fisher-Yates
    std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(rng.next_below(i + 1))]);
  }
  return order;
}

std::vector<Index> epoch_order(Index count, std::span<const Share> shares, bool shuffle, std::uint64_t seed,
                               Index epoch) {
  std::vector<Index> chosen;
  for (std::size_t s = 0; s < shares.size(); ++s) {
    const auto& [first, last, weight] = shares[s];
    const Index size = last - first;
    const double whole = std::floor(weight);
    for (Index copy = 0; copy < static_cast<Index>(whole); ++copy) {
      for (Index i = first; i < last; ++i) chosen.push_back(i);
    }
    // At least one, so that no file is left out of every epoch.
    const double part = (weight - whole) * static_cast<double>(size);
    const Index rest = size == 0 || weight == whole ? 0 : std::max<Index>(1, std::llround(part));
    const std::vector<Index> order = shuffled_order(rest == 0 ? 0 : size, seed + kShareSeed * (s + 1), epoch);
    std::vector<Index> some(order.begin(), order.begin() + rest);
    std::sort(some.begin(), some.end());
    for (const Index i : some) chosen.push_back(first + i);
  }
  if (shares.empty()) {
    chosen.resize(static_cast<std::size_t>(count));
    std::iota(chosen.begin(), chosen.end(), Index{0});
  }
  if (!shuffle) return chosen;
  std::vector<Index> order = shuffled_order(std::ssize(chosen), seed, epoch);
  for (Index& place : order) place = chosen[static_cast<std::size_t>(place)];
  return order;
}

std::vector<Sequence> pack_groups(const GroupedOrder& grouped, Index capacity, Index look_ahead) {
  LORRY_CHECK(look_ahead >= 1);
  std::vector<Sequence> sequences;
  std::vector<DocumentGroup> waiting;  // the next groups, in order
  std::size_t taken = 0;
  const auto refill = [&] {
    while (static_cast<Index>(waiting.size()) < look_ahead && taken < grouped.groups.size()) {
      waiting.push_back(grouped.groups[taken++]);
    }
  };
  for (refill(); !waiting.empty();) {
    Index room = capacity;
    Sequence sequence;
    for (;;) {
      const auto fits = std::find_if(waiting.begin(), waiting.end(),
                                     [&](const DocumentGroup& group) { return group.rows <= room; });
      if (fits == waiting.end()) break;
      room -= fits->rows;
      const std::span<const Index> documents = grouped.documents(*fits);
      sequence.insert(sequence.end(), documents.begin(), documents.end());
      waiting.erase(fits);
      refill();
    }
    LORRY_CHECK(!sequence.empty());  // no group has more rows than capacity
    sequences.push_back(std::move(sequence));
  }
  return sequences;
}

std::vector<Sequence> one_group_each(const GroupedOrder& grouped) {
  std::vector<Sequence> sequences;
  sequences.reserve(grouped.groups.size());
  for (const DocumentGroup& group : grouped.groups) {
    const std::span<const Index> documents = grouped.documents(group);
    sequences.emplace_back(documents.begin(), documents.end());
  }
  return sequences;
}

Batch make_batch(DocumentView documents, std::span<const Sequence> sequences, Index row_multiple,
                 bool share_prompts) {
  LORRY_CHECK(row_multiple >= 1);
  Batch batch;
  batch.offsets.push_back(0);
  std::vector<Document> group;  // documents so far with the same prompt
  const auto end_group = [&] {
    if (!group.empty()) append_group(group, batch);
    group.clear();
  };
  const auto add = [&](const Document& document) {
    if (!share_prompts) return append_rows(document, 0, document.size(), -1, batch);
    if (!group.empty() && !std::ranges::equal(group.front().prompt(), document.prompt())) end_group();
    group.push_back(document);
  };
  for (const Sequence& sequence : sequences) {
    for (const Index i : sequence) documents.visit(i, add);
    end_group();
  }
  append_padding(row_multiple, batch);
  return batch;
}

}  // namespace lorry::data
