// What trains beside a frozen embedding or head: low-rank updates and rows of single tokens.
#include <gtest/gtest.h>

#include <vector>

#include "nn/embedding_update.hpp"
#include "nn/module_maps.hpp"
#include "nn/reference_modules.hpp"
#include "nn/token_rows.hpp"
#include "ops/reference/embedding.hpp"
#include "ops/reference/matmul.hpp"

namespace lorry::nn {
namespace {

using testing::Complex;
using testing::near;

constexpr Index kVocabulary = 6;
constexpr Index kWidth = 7;
const std::vector<std::int32_t> kTokens = {2, 0, 2, 4, 5};  // one comes twice
const std::vector<std::int32_t> kOwnRows = {5, 2, 1};       // not in order, one of them in no batch

/// The table with `rows` in the places kOwnRows.
template <class T>
Dense<T> with_rows(Dense<T> table, const Dense<T>& rows) {
  for (Index i = 0; i < rows.rows; ++i) {
    for (Index j = 0; j < rows.cols; ++j) table(kOwnRows[static_cast<std::size_t>(i)], j) = rows(i, j);
  }
  return table;
}

Matrix copy_of(ConstMatrixView from) {
  Matrix to(from.rows, from.cols, from.dtype);
  ops::make_cpu_ops(1)->copy(from, to);
  return to;
}

TEST(EmbeddingUpdateGradients, MatchComplexSteps) {
  constexpr Index kRank = 3;
  constexpr float kScale = 0.7F;
  const Engine engine(DType::kF32);
  Operands operands;
  const Matrix& x = operands.add("x", std::ssize(kTokens), kWidth);
  EmbeddingUpdate update = {.rank = kRank,
                            .scale = kScale,
                            .a_transposed = copy_of(operands.add("a", kVocabulary, kRank)),
                            .b_transposed = copy_of(operands.add("b", kRank, kWidth)),
                            .a_gradient = testing::random_matrix(kVocabulary, kRank, DType::kF32, 1),
                            .b_gradient = testing::random_matrix(kRank, kWidth, DType::kF32, 2)};
  const auto reference = [&](const auto& v) {
    auto y = v.at("x");
    using T = std::decay_t<decltype(y.values[0])>;
    const auto part = ops::reference::matmul(ops::reference::embedding(v.at("a"), kTokens), v.at("b"));
    ops::reference::add(part, T(static_cast<double>(kScale)), y);
    return y;
  };
  const Matrix dy = testing::random_matrix(std::ssize(kTokens), kWidth, DType::kF32, 3);
  const Dense<double> weights = ops::reference::dense<double>(dy);
  const Values<double> want = complex_gradients(
      [&](const Values<Complex>& v) { return testing::weighted_sum(reference(v), weights); },
      operands.values);
  const testing::Tolerance tolerance = module_tolerance(DType::kF32);

  Matrix y = copy_of(x);
  update.forward(engine.context.ops, kTokens, y);
  EXPECT_TRUE(near(y, reference(operands.values), tolerance));
  const Dense<double> a_before = ops::reference::dense<double>(update.a_gradient);
  const Dense<double> b_before = ops::reference::dense<double>(update.b_gradient);
  update.backward(engine.context.ops, kTokens, dy);
  EXPECT_TRUE(near(added(update.a_gradient, a_before), want.at("a"), tolerance));
  EXPECT_TRUE(near(added(update.b_gradient, b_before), want.at("b"), tolerance));
}

TEST(TokenRowsGradients, OfAnEmbeddingMatchComplexSteps) {
  const Engine engine(DType::kF32);
  Operands operands;
  const Matrix& table = operands.add("table", kVocabulary, kWidth);
  const Index count = std::ssize(kOwnRows);
  TokenRows rows(kOwnRows, copy_of(operands.add("rows", count, kWidth)));
  rows.gradient = testing::random_matrix(count, kWidth, DType::kF32, 1);
  const auto reference = [&](const auto& v) {
    return ops::reference::embedding(with_rows(v.at("table"), v.at("rows")), kTokens);
  };
  const Matrix dx = testing::random_matrix(std::ssize(kTokens), kWidth, DType::kF32, 2);
  const Dense<double> weights = ops::reference::dense<double>(dx);
  const Values<double> want = complex_gradients(
      [&](const Values<Complex>& v) { return testing::weighted_sum(reference(v), weights); },
      operands.values);
  const testing::Tolerance tolerance = module_tolerance(DType::kF32);

  Matrix x(std::ssize(kTokens), kWidth);
  engine.context.ops.embedding(table, kTokens, x);
  rows.embed(kTokens, x);
  EXPECT_TRUE(near(x, reference(operands.values), tolerance));
  const Dense<double> before = ops::reference::dense<double>(rows.gradient);
  rows.embed_backward(kTokens, dx);
  EXPECT_TRUE(near(added(rows.gradient, before), want.at("rows"), tolerance));
}

class TokenRowsOfAHead : public ::testing::TestWithParam<DType> {};

TEST_P(TokenRowsOfAHead, MatchComplexSteps) {
  const DType compute = GetParam();
  constexpr Index kBatch = 5;
  const Engine engine(compute);
  ops::Ops& ops = engine.context.ops;
  Operands operands;
  const Matrix& table = operands.add("table", kVocabulary, kWidth, compute);
  const Matrix& x = operands.add("x", kBatch, kWidth, compute);
  const Index count = std::ssize(kOwnRows);
  TokenRows rows(kOwnRows, copy_of(operands.add("rows", count, kWidth)));
  rows.gradient = testing::random_matrix(count, kWidth, DType::kF32, 1);
  const auto reference = [&](const auto& v) {
    return ops::reference::matmul(v.at("x"),
                                  ops::reference::transpose(with_rows(v.at("table"), v.at("rows"))));
  };
  const Matrix dy = testing::random_matrix(kBatch, kVocabulary, compute, 2);
  const Dense<double> weights = ops::reference::dense<double>(dy);
  const Values<double> want = complex_gradients(
      [&](const Values<Complex>& v) { return testing::weighted_sum(reference(v), weights); },
      operands.values);
  const testing::Tolerance tolerance = module_tolerance(compute);

  Matrix y(kBatch, kVocabulary);
  ops.matmul(x, table, y, {.transpose_b = true});
  rows.project(ops, x, y);
  EXPECT_TRUE(near(y, reference(operands.values), tolerance));
  Matrix dx(kBatch, kWidth);
  ops.matmul(dy, table, dx, {});
  const Dense<double> before = ops::reference::dense<double>(rows.gradient);
  rows.project_backward(ops, x, dy, table, dx);
  EXPECT_TRUE(near(dx, want.at("x"), tolerance));
  EXPECT_TRUE(near(added(rows.gradient, before), want.at("rows"), tolerance));
}

TEST(TokenRowsGradients, BesideALowRankUpdateOfTheHeadMatchComplexSteps) {
  constexpr Index kBatch = 5;
  const Engine engine(DType::kF32);
  Operands operands;
  Maps maps(operands, DType::kF32);
  const MapOptions options = {.rank = 2, .bias = false};
  const LinearFacts facts = {.scale = options.scale};
  Linear head = maps.make("head", kWidth, kVocabulary, options);
  const Matrix& x = operands.add("x", kBatch, kWidth);
  const Index count = std::ssize(kOwnRows);
  TokenRows rows(kOwnRows, copy_of(operands.add("rows", count, kWidth)));
  rows.gradient = testing::random_matrix(count, kWidth, DType::kF32, 1);
  const auto reference = [&](auto v) {
    v["head.weight"] = with_rows(v.at("head.weight"), v.at("rows"));
    return linear(v, "head", v.at("x"), facts);
  };
  const Matrix dy = testing::random_matrix(kBatch, kVocabulary, DType::kF32, 2);
  const Dense<double> weights = ops::reference::dense<double>(dy);
  const Values<double> want = complex_gradients(
      [&](const Values<Complex>& v) { return testing::weighted_sum(reference(v), weights); },
      operands.values);
  const testing::Tolerance tolerance = module_tolerance(DType::kF32);

  head.set_token_rows(&rows);
  Linear::Cache cache;
  Linear::Scratch scratch;
  Matrix y(kBatch, kVocabulary);
  head.forward(engine.context, x, false, cache, scratch, y);
  EXPECT_TRUE(near(y, reference(operands.values), tolerance));
  Matrix dx(kBatch, kWidth);
  const Dense<double> before = ops::reference::dense<double>(rows.gradient);
  head.backward(engine.context, x, dy, cache, false, scratch, dx);
  EXPECT_TRUE(near(dx, want.at("x"), tolerance));
  EXPECT_TRUE(near(added(rows.gradient, before), want.at("rows"), tolerance));
  maps.expect_gradients(want, tolerance);
}

INSTANTIATE_TEST_SUITE_P(Modules, TokenRowsOfAHead, ::testing::Values(DType::kF32, DType::kBF16),
                         [](const auto& test) {
                           return std::string(test.param == DType::kF32 ? "F32" : "Bf16");
                         });

}  // namespace
}  // namespace lorry::nn
