#include "ops/op_times.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "support/near.hpp"
#include "support/random_matrix.hpp"

namespace lorry::ops {
namespace {

double counted_flops(const Documents& documents, const AttentionShape& shape) {
  double pairs = 0;
  for (std::size_t d = 0; d + 1 < documents.queries.size(); ++d) {
    const Index queries = documents.queries[d + 1] - documents.queries[d];
    Index keys = documents.keys[d + 1] - documents.keys[d];
    if (!documents.parents.empty() && documents.parents[d] >= 0) {
      const auto parent = static_cast<std::size_t>(documents.parents[d]);
      keys += documents.keys[parent + 1] - documents.keys[parent];
    }
    for (Index q = 0; q < queries; ++q) {
      for (Index k = 0; k < keys; ++k) {
        const Index back = keys - queries + q - k;  // how far before the query the key is
        if (back >= 0 && (shape.window == 0 || back < shape.window)) ++pairs;
      }
    }
  }
  return pairs * 2 * 2 * static_cast<double>(shape.head_dim * shape.heads);
}

TEST(OpTimes, AttentionCountsThePairsThatAreAttendedTo) {
  const std::vector<Index> queries = {0, 7, 7, 8, 20};
  const std::vector<Index> more_keys = {0, 9, 12, 13, 40};
  for (const Index window : {0, 1, 2, 5, 8, 12, 100}) {
    const AttentionShape shape = {.heads = 6, .kv_heads = 2, .head_dim = 16, .scale = 1, .window = window};
    for (const std::vector<Index>& keys : {queries, more_keys}) {
      for (const std::vector<Index>& parents : {std::vector<Index>(), std::vector<Index>{-1, 0, -1, 0}}) {
        const Documents documents = {queries, keys, parents};
        EXPECT_EQ(attention_flops(documents, shape), counted_flops(documents, shape)) << window;
      }
    }
  }
}

TEST(OpTimes, EveryCallIsCountedWithItsKindAndTheResultIsThatOfTheOperators) {
  const auto times = std::make_shared<OpTimes>();
  const std::unique_ptr<Ops> timed = make_timed_ops(make_cpu_ops(1), times);
  const std::unique_ptr<Ops> plain = make_cpu_ops(1);
  EXPECT_EQ(timed->description(), plain->description());
  EXPECT_EQ(timed->fast_bf16(), plain->fast_bf16());

  const Matrix x = testing::random_matrix(5, 32, DType::kF32, 1);
  const Matrix w = testing::random_matrix(16, 32, DType::kF32, 2);
  const Matrix a = testing::random_matrix(3, 32, DType::kF32, 3);
  Matrix y(5, 16), want(5, 16), h(5, 3), want_h(5, 3);
  timed->matmul(x, w, y, {.transpose_b = true});
  plain->matmul(x, w, want, {.transpose_b = true});
  EXPECT_TRUE(testing::same_bits(y, want));
  timed->low_rank_project(x, a, 2.0F, h);
  plain->low_rank_project(x, a, 2.0F, want_h);
  EXPECT_TRUE(testing::same_bits(h, want_h));
  EXPECT_EQ(timed->sum_of_squares(x), plain->sum_of_squares(x));
  timed->add(x, 1.0F, Matrix(5, 32));

  EXPECT_EQ(times->of(OpKind::kMatmul).calls, 1);
  EXPECT_EQ(times->of(OpKind::kMatmul).flops, 2.0 * 5 * 32 * 16);
  EXPECT_EQ(times->of(OpKind::kAdapter).calls, 1);
  EXPECT_EQ(times->of(OpKind::kAdapter).flops, 2.0 * 5 * 32 * 3);
  EXPECT_EQ(times->of(OpKind::kOptimizer).calls, 1);
  EXPECT_EQ(times->of(OpKind::kElementwise).calls, 1);
  EXPECT_EQ(times->of(OpKind::kAttention).calls, 0);
  EXPECT_GT(times->of(OpKind::kMatmul).seconds, 0);
  EXPECT_GT(times->seconds(), times->of(OpKind::kMatmul).seconds);

  OpTimes twice = *times;
  twice += *times;
  EXPECT_EQ(twice.of(OpKind::kMatmul).calls, 2);
  twice -= *times;
  EXPECT_EQ(twice.of(OpKind::kMatmul).flops, times->of(OpKind::kMatmul).flops);
}

}  // namespace
}  // namespace lorry::ops
