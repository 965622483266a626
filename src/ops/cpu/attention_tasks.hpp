// cpu/attention_tasks.hpp: attention cut into independent pieces of work, by shapes alone.
#pragma once
#include <vector>

#include "ops/ops.hpp"

namespace lorry::ops::cpu {

/// Consecutive queries of one document, for one key/value head.
struct AttentionTask {
  Index query_row;  // first row of q
  Index queries;
  Index key_row;   // first row of k of the document
  Index position;  // of the first query among the document's keys
  Index kv_head;
};

/// All blocks of at most `block` queries, the longest work (late queries of a document) first.
std::vector<AttentionTask> forward_tasks(const Documents& documents, Index kv_heads, Index block);

/// LORRY_CHECKs that shapes agree, and that every document has its queries at the end of its keys.
void check_attention(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v, const Documents& documents,
                     const AttentionShape& shape);

}  // namespace lorry::ops::cpu
