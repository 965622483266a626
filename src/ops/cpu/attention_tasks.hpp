// cpu/attention_tasks.hpp: attention cut into independent pieces of work, by shapes alone.
#pragma once
#include <algorithm>
#include <vector>

#include "ops/ops.hpp"

namespace lorry::ops::cpu {

/// Where the keys of a document lie among the rows of k: first its parent's, then its own.
struct KeyRows {
  Index own = 0;     // row of the first one
  Index before = 0;  // keys of the parent
  Index parent = 0;  // row of its first one

  /// Calls use(row, rows, place) for keys [first, first + count) in the pieces, at most two, that lie
  /// together: `rows` of k from `row` on are the keys from first + place on.
  template <class Use>
  void for_each_piece(Index first, Index count, const Use& use) const {
    const Index of_parent = std::clamp<Index>(before - first, 0, count);
    if (of_parent > 0) use(parent + first, of_parent, Index{0});
    if (of_parent < count) use(own + first + of_parent - before, count - of_parent, of_parent);
  }
};

/// Consecutive queries of one document, for one key/value head.
struct AttentionTask {
  Index query_row;  // first row of q
  Index queries;
  KeyRows keys;    // of the document
  Index position;  // of the first query among these
  Index kv_head;
};

/// All queries of a document, and of those whose parent it is, for one key/value head: what together makes dk
/// and dv of their rows.
struct AttentionTree {
  AttentionTask root;
  std::vector<AttentionTask> branches;
  Index rows;  // of all
};

/// All blocks of at most `block` queries, the longest work (late queries of a document) first.
std::vector<AttentionTask> forward_tasks(const Documents& documents, Index kv_heads, Index block);

/// All trees, the largest first.
std::vector<AttentionTree> backward_tasks(const Documents& documents, Index kv_heads);

/// LORRY_CHECKs that shapes agree, that every document has its queries at the end of its keys, and that a
/// parent has none.
void check_attention(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v, const Documents& documents,
                     const AttentionShape& shape);

}  // namespace lorry::ops::cpu
