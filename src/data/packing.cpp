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

void append_document(const Document& document, Batch& batch) {
  for (Index t = 0; t < document.size(); ++t) {
    batch.targets.push_back(document.learns(t + 1) ? document.ids[static_cast<std::size_t>(t + 1)] : -1);
    batch.positions.push_back(static_cast<std::int32_t>(t));
  }
  batch.ids.insert(batch.ids.end(), document.ids.begin(), document.ids.end());
  batch.offsets.push_back(batch.rows());
  batch.target_count += document.target_count();
  batch.token_count += document.size();
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

std::vector<Sequence> pack_documents(DocumentView documents, std::span<const Index> order, Index capacity,
                                     Index look_ahead) {
  LORRY_CHECK(look_ahead >= 1);
  std::vector<Sequence> sequences;
  std::vector<Index> waiting;  // the next documents, in order
  std::size_t taken = 0;
  const auto refill = [&] {
    while (static_cast<Index>(waiting.size()) < look_ahead && taken < order.size()) {
      waiting.push_back(order[taken++]);
    }
  };
  for (refill(); !waiting.empty();) {
    Index room = capacity;
    Sequence sequence;
    for (;;) {
      const auto fits =
          std::find_if(waiting.begin(), waiting.end(), [&](Index d) { return documents.length(d) <= room; });
      if (fits == waiting.end()) break;
      room -= documents.length(*fits);
      sequence.push_back(*fits);
      waiting.erase(fits);
      refill();
    }
    LORRY_CHECK(!sequence.empty());  // no document is longer than capacity
    sequences.push_back(std::move(sequence));
  }
  return sequences;
}

Batch make_batch(DocumentView documents, std::span<const Sequence> sequences, Index row_multiple) {
  LORRY_CHECK(row_multiple >= 1);
  Batch batch;
  batch.offsets.push_back(0);
  for (const Sequence& sequence : sequences) {
    for (const Index i : sequence) {
      documents.visit(i, [&](const Document& document) { append_document(document, batch); });
    }
  }
  append_padding(row_multiple, batch);
  return batch;
}

}  // namespace lorry::data
