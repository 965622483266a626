#include "ops/cpu/attention_tasks.hpp"

#include <algorithm>

namespace lorry::ops::cpu {

namespace {

/// Queries [first, first + count) of document d.
AttentionTask task_of(const Documents& documents, std::size_t d, Index first, Index count, Index kv_head) {
  const Index queries = documents.queries[d + 1] - documents.queries[d];
  const Index parent = documents.parent(d);
  return {.query_row = documents.queries[d] + first,
          .queries = count,
          .keys = {.own = documents.keys[d],
                   .before = documents.keys_before(d),
                   .parent = parent < 0 ? 0 : documents.keys[static_cast<std::size_t>(parent)]},
          .position = documents.keys_seen(d) - queries + first,
          .kv_head = kv_head};
}

}  // namespace

std::vector<AttentionTask> forward_tasks(const Documents& documents, Index kv_heads, Index block) {
  std::vector<AttentionTask> tasks;
  for (std::size_t d = 0; d + 1 < documents.queries.size(); ++d) {
    const Index queries = documents.queries[d + 1] - documents.queries[d];
    for (Index first = 0; first < queries; first += block) {
      for (Index h = 0; h < kv_heads; ++h) {
        tasks.push_back(task_of(documents, d, first, std::min(block, queries - first), h));
      }
    }
  }
  std::stable_sort(tasks.begin(), tasks.end(), [](const AttentionTask& a, const AttentionTask& b) {
    return a.position + a.queries > b.position + b.queries;
  });
  return tasks;
}

std::vector<AttentionTree> backward_tasks(const Documents& documents, Index kv_heads) {
  const std::size_t count = documents.queries.size() - 1;
  std::vector<AttentionTree> trees;
  std::vector<std::size_t> tree_of(count);  // of a document without a parent: its first one
  for (std::size_t d = 0; d < count; ++d) {
    if (documents.parent(d) >= 0) continue;
    tree_of[d] = trees.size();
    const Index queries = documents.queries[d + 1] - documents.queries[d];
    for (Index h = 0; h < kv_heads; ++h) {
      trees.push_back({.root = task_of(documents, d, 0, queries, h), .branches = {}, .rows = queries});
    }
  }
  for (std::size_t d = 0; d < count; ++d) {
    if (documents.parent(d) < 0) continue;
    const Index queries = documents.queries[d + 1] - documents.queries[d];
    for (Index h = 0; h < kv_heads; ++h) {
      const std::size_t first = tree_of[static_cast<std::size_t>(documents.parent(d))];
      AttentionTree& tree = trees[first + static_cast<std::size_t>(h)];
      tree.branches.push_back(task_of(documents, d, 0, queries, h));
      tree.rows += queries;
    }
  }
  std::stable_sort(trees.begin(), trees.end(),
                   [](const AttentionTree& a, const AttentionTree& b) { return a.rows > b.rows; });
  return trees;
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
  LORRY_CHECK(documents.parents.empty() || documents.parents.size() + 1 == documents.queries.size());
  LORRY_CHECK(documents.queries.front() >= 0 && documents.queries.back() <= q.rows);
  LORRY_CHECK(documents.keys.front() >= 0 && documents.keys.back() <= k.rows);
  for (std::size_t d = 0; d + 1 < documents.queries.size(); ++d) {
    const Index queries = documents.queries[d + 1] - documents.queries[d];
    LORRY_CHECK(queries >= 0 && queries <= documents.keys[d + 1] - documents.keys[d]);
    const Index parent = documents.parent(d);
    LORRY_CHECK(parent < std::ssize(documents.parents));
    LORRY_CHECK(parent < 0 || documents.parent(static_cast<std::size_t>(parent)) < 0);
  }
}

}  // namespace lorry::ops::cpu
