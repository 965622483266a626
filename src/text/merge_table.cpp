#include "text/merge_table.hpp"

#include <bit>

#include "text/pair_key.hpp"

namespace lorry::text {

namespace {

constexpr std::uint64_t kEmpty = ~std::uint64_t{0};  // no pair has this key

}  // namespace

MergeTable::MergeTable(Index count)
    : slots_(std::bit_ceil(static_cast<std::size_t>(2 * count + 2)), Slot{kEmpty, {0, 0}}) {}

std::size_t MergeTable::slot_of(std::uint64_t key) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = static_cast<std::size_t>((key * 0x9E3779B97F4A7C15U) >> 20) & mask;
  while (slots_[at].key != key && slots_[at].key != kEmpty) at = (at + 1) & mask;
  return at;
}

void MergeTable::set(std::int32_t left, std::int32_t right, Merge merge) {
  const std::uint64_t key = pair_key(left, right);
  slots_[slot_of(key)] = {key, merge};
}

const MergeTable::Merge* MergeTable::find(std::int32_t left, std::int32_t right) const {
  const Slot& slot = slots_[slot_of(pair_key(left, right))];
  return slot.key == kEmpty ? nullptr : &slot.merge;
}

}  // namespace lorry::text
