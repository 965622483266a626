// text/merge_table.hpp: which two neighbouring tokens join to which third, and how early.
#pragma once
#include <cstdint>
#include <vector>

#include "core/index.hpp"

namespace lorry::text {

/// An open-addressing hash table from a pair of ids to (rank, new id): one cache line per look-up, which is
/// where BPE spends its time.
class MergeTable {
 public:
  struct Merge {
    std::int32_t rank;  // 0 merges first
    std::int32_t new_id;
  };

  /// Room for `count` merges.
  explicit MergeTable(Index count = 0);

  /// A pair given twice keeps the later values.
  void set(std::int32_t left, std::int32_t right, Merge merge);
  /// Null if the pair does not merge.
  [[nodiscard]] const Merge* find(std::int32_t left, std::int32_t right) const;

 private:
  struct Slot {
    std::uint64_t key;
    Merge merge;
  };
  [[nodiscard]] std::size_t slot_of(std::uint64_t key) const;

  std::vector<Slot> slots_;  // power of two, at most half full
};

}  // namespace lorry::text
