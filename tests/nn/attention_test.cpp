#include "nn/attention.hpp"

#include <gtest/gtest.h>

#include <array>

#include "nn/module_maps.hpp"
#include "nn/reference_modules.hpp"
#include "nn/rope_table.hpp"

namespace lorry::nn {
namespace {

using testing::near;

constexpr Index kHidden = 10;
constexpr float kEps = 1e-6F;

struct AttentionCase {
  const char* name;
  ops::AttentionShape shape;
  bool rope = true;
  bool norms = false;
  bool fused = false;  // one Conv1D map for q, k and v
  DType compute = DType::kF32;
};

const AttentionCase kCases[] = {
    {.name = "Plain", .shape = {.heads = 2, .kv_heads = 2, .head_dim = 4, .scale = 0.5F}, .rope = false},
    {.name = "Rotary", .shape = {.heads = 2, .kv_heads = 2, .head_dim = 4, .scale = 0.5F}},
    {.name = "Grouped", .shape = {.heads = 4, .kv_heads = 2, .head_dim = 4, .scale = 0.5F}},
    {.name = "OneKeyHead", .shape = {.heads = 3, .kv_heads = 1, .head_dim = 6, .scale = 0.4F}},
    {.name = "Window", .shape = {.heads = 4, .kv_heads = 2, .head_dim = 4, .scale = 0.5F, .window = 3}},
    {.name = "Norms", .shape = {.heads = 4, .kv_heads = 2, .head_dim = 4, .scale = 0.5F}, .norms = true},
    {.name = "Fused",
     .shape = {.heads = 2, .kv_heads = 2, .head_dim = 5, .scale = 0.5F},
     .rope = false,
     .fused = true},
    {.name = "NormsBf16",
     .shape = {.heads = 4, .kv_heads = 2, .head_dim = 4, .scale = 0.5F, .window = 4},
     .norms = true,
     .compute = DType::kBF16},
};

/// A module with every part training, its reference and its operands.
struct Problem {
  explicit Problem(const AttentionCase& test) : maps(operands, test.compute), compute(test.compute) {
    const Index q = test.shape.heads * test.shape.head_dim;
    const Index k = test.shape.kv_heads * test.shape.head_dim;
    // Without rotation a bias of k alone shifts all scores of a query alike: its gradient is zero, and no
    // test.
    const MapOptions options = {
        .rank = 2, .bias = test.rope || test.fused, .conv1d = test.fused, .full = compute == DType::kF32};
    facts.shape = test.shape;
    facts.linear = {.inputs_by_outputs = test.fused, .scale = options.scale};
    facts.positions = {0, 1, 2, 3, 4, 5, 0, 0, 1, 2, 3};
    facts.offsets = {0, 6, 7, 11};
    operands.add("x", 11, kHidden, compute);
    SelfAttention::Parts parts;
    if (test.fused) {
      facts.qkv = {"qkv"};
      parts.qkv.push_back(maps.make("qkv", kHidden, q + 2 * k, options));
    } else {
      parts.qkv.push_back(maps.make("q", kHidden, q, options));
      parts.qkv.push_back(maps.make("k", kHidden, k, options));
      parts.qkv.push_back(maps.make("v", kHidden, k, options));
    }
    parts.output = maps.make("o", q, kHidden, options);
    if (test.norms) {
      facts.norms = true;
      facts.eps = static_cast<double>(kEps);
      parts.q_norm = make_norm("q_norm.weight", test.shape.head_dim);
      parts.k_norm = make_norm("k_norm.weight", test.shape.head_dim);
    }
    if (test.rope) {
      rope = make_rope_table({}, test.shape.head_dim, 6);
      facts.rope = ops::reference::dense<double>(rope);
    }
    module = SelfAttention(std::move(parts), test.shape);
  }

  Norm make_norm(const std::string& name, Index width) {
    Norm norm(NormKind::kRms, kEps, {.weight = operands.add(name, 1, width), .bias = {}});
    norm.set_gradients({.weight = maps.gradient(name, 1, width), .bias = {}});
    return norm;
  }

  [[nodiscard]] ConstMatrixView x() { return operands.at("x"); }
  [[nodiscard]] ConstMatrixView rope_view() const { return rope.empty() ? ConstMatrixView{} : rope.view(); }
  [[nodiscard]] Sequence sequence() const { return {facts.positions, facts.offsets}; }

  Operands operands;
  Maps maps;
  DType compute;
  AttentionFacts facts;
  Matrix rope;
  SelfAttention module;
};

class AttentionGradients : public ::testing::TestWithParam<AttentionCase> {};

TEST_P(AttentionGradients, MatchComplexSteps) {
  Problem p(GetParam());
  Engine engine(p.compute);
  const Matrix dy = testing::random_matrix(11, kHidden, p.compute, 1);
  const Dense<double> weights = ops::reference::dense<double>(dy);
  const Values<double> want = complex_gradients(
      [&](const Values<testing::Complex>& v) {
        return testing::weighted_sum(self_attention(v, v.at("x"), p.facts), weights);
      },
      p.operands.values);
  const testing::Tolerance tolerance = module_tolerance(p.compute);

  SelfAttention::Cache cache;
  SelfAttention::Scratch scratch;
  Matrix y = testing::random_matrix(11, kHidden, DType::kF32, 2);
  const Dense<double> before = ops::reference::dense<double>(y);
  p.module.forward(engine.context, p.x(), p.rope_view(), p.sequence(), cache, scratch, y);
  EXPECT_TRUE(near(added(y, before), self_attention(p.operands.values, p.operands.values.at("x"), p.facts),
                   tolerance));

  Matrix dx = testing::random_matrix(11, kHidden, DType::kF32, 3);
  p.module.backward(engine.context, p.x(), p.rope_view(), p.sequence(), dy, cache, scratch, dx);
  EXPECT_TRUE(near(dx, want.at("x"), tolerance));
  p.maps.expect_gradients(want, tolerance);
}

TEST_P(AttentionGradients, AreTheSameWithoutDx) {
  Problem with(GetParam());
  Problem without(GetParam());
  Engine engine(with.compute);
  const Matrix dy = testing::random_matrix(11, kHidden, with.compute, 1);
  Values<double> gradients;
  for (Problem* p : {&with, &without}) {
    SelfAttention::Cache cache;
    SelfAttention::Scratch scratch;
    Matrix y(11, kHidden);
    p->module.forward(engine.context, p->x(), p->rope_view(), p->sequence(), cache, scratch, y);
    Matrix dx(11, kHidden);
    p->module.backward(engine.context, p->x(), p->rope_view(), p->sequence(), dy, cache, scratch,
                       p == &with ? dx.view() : MatrixView{});
    if (p == &with) gradients = p->maps.added_gradients();
  }
  without.maps.expect_gradients(gradients, {.max_rel = 0, .cosine = 1e-15});
}

TEST_P(AttentionGradients, CachedTokensOneByOneGiveTheSameRows) {
  Problem p(GetParam());
  Engine engine(p.compute);
  SelfAttention::Cache cache;
  SelfAttention::Scratch scratch;
  const Index rows = p.facts.offsets[1];  // of the first document
  const ops::AttentionShape& shape = p.facts.shape;
  Matrix want(11, kHidden);
  p.module.forward(engine.context, p.x(), p.rope_view(), p.sequence(), cache, scratch, want);
  for (const Index prompt : {Index{1}, Index{3}, rows}) {
    KeyValueCache past{.keys = Matrix(rows, shape.kv_heads * shape.head_dim, p.compute),
                       .values = Matrix(rows, shape.kv_heads * shape.head_dim, p.compute)};
    Matrix got(rows, kHidden);
    for (Index row = 0; row < rows;) {
      const Index count = row == 0 ? prompt : 1;
      const std::span positions =
          std::span(p.facts.positions)
              .subspan(static_cast<std::size_t>(row), static_cast<std::size_t>(count));
      const std::array<Index, 2> queries = {0, count};
      const std::array<Index, 2> keys = {0, row + count};
      p.module.forward_cached(engine.context, p.x().row_range(row, count), p.rope_view(),
                              {positions, {queries, keys}}, past, cache, scratch,
                              got.view().row_range(row, count));
      row += count;
    }
    EXPECT_TRUE(
        near(got, ops::reference::dense<double>(want.view().row_range(0, rows)), module_tolerance(p.compute)))
        << "prompt of " << prompt;
  }
}

INSTANTIATE_TEST_SUITE_P(Modules, AttentionGradients, ::testing::ValuesIn(kCases),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace lorry::nn
