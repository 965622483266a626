#include "ops/cpu/attention_tasks.hpp"

#include <algorithm>

namespace lorry::ops::cpu {

std::vector<AttentionTask> forward_tasks(const Documents& documents, Index kv_heads, Index block) {
  std::vector<AttentionTask> tasks;
  for (std::size_t d = 0; d + 1 < documents.queries.size(); ++d) {
    const Index first_row = documents.queries[d];
    const Index queries = documents.queries[d + 1] - first_row;
    const Index keys = documents.keys[d + 1] - documents.keys[d];
    for (Index first = 0; first < queries; first += block) {
      for (Index h = 0; h < kv_heads; ++h) {
        tasks.push_back({first_row + first, std::min(block, queries - first), documents.keys[d],
                         keys - queries + first, h});
      }
    }
  }
  std::stable_sort(tasks.begin(), tasks.end(), [](const AttentionTask& a, const AttentionTask& b) {
    return a.position + a.queries > b.position + b.queries;
  });
  return tasks;
}

void check_attention(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v, const Documents& documents,
                     const AttentionShape& shape) {
  LORRY_CHECK(shape.head_dim > 0 && shape.kv_heads > 0 && shape.heads % shape.kv_heads == 0);
  LORRY_CHECK(shape.window >= 0);
  LORRY_CHECK_EQ(q.cols, shape.heads * shape.head_dim);
  LORRY_CHECK_EQ(k.cols, shape.kv_heads * shape.head_dim);
  LORRY_CHECK_EQ(v.cols, k.cols);
  LORRY_CHECK_EQ(v.rows, k.rows);
  LORRY_CHECK(!documents.queries.empty());
  LORRY_CHECK_EQ(documents.queries.size(), documents.keys.size());
  LORRY_CHECK(documents.queries.front() >= 0 && documents.queries.back() <= q.rows);
  LORRY_CHECK(documents.keys.front() >= 0 && documents.keys.back() <= k.rows);
  for (std::size_t d = 0; d + 1 < documents.queries.size(); ++d) {
    const Index queries = documents.queries[d + 1] - documents.queries[d];
    LORRY_CHECK(queries >= 0 && queries <= documents.keys[d + 1] - documents.keys[d]);
  }
}

}  // namespace lorry::ops::cpu
