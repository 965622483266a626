#include "nn/linear.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "nn/module_maps.hpp"
#include "nn/reference_modules.hpp"

namespace lorry::nn {
namespace {

using testing::near;

constexpr Index kRows = 7;
constexpr Index kInputs = 11;
constexpr Index kOutputs = 9;

struct PartCase {
  const char* name;
  Index first = 0;
  Index outputs = 0;
  Index rank = 0;
};

struct LinearCase {
  const char* name;
  MapOptions options;
  std::vector<PartCase> parts = {};
};

const LinearCase kCases[] = {
    {"Plain", {.rank = 0, .bias = false}},
    {"Bias", {.rank = 0}},
    {"Conv1D", {.rank = 0, .conv1d = true}},
    {"LowRank", {.rank = 3}},
    {"LowRankConv1D", {.rank = 3, .conv1d = true}},
    {"LowRankDropout", {.rank = 3, .dropout = 0.4F}},
    {"RankAboveBothSides", {.rank = 17}},
    {"Full", {.rank = 0, .full = true}},
    {"FullConv1D", {.rank = 0, .conv1d = true, .full = true}},
    {"Everything", {.rank = 2, .dropout = 0.25F, .conv1d = true, .full = true}},
    {"Dora", {.rank = 3, .dora = true}},
    {"DoraConv1D", {.rank = 3, .bias = false, .conv1d = true, .dora = true}},
    {"DoraDropout", {.rank = 3, .dropout = 0.4F, .dora = true}},
    {"DoraDropoutConv1D", {.rank = 2, .dropout = 0.25F, .conv1d = true, .dora = true}},
    {"OnePart", {.rank = 0}, {{"q", 3, 4, 2}}},
    {"PartsSideBySide", {.rank = 0, .conv1d = true}, {{"q", 0, 3, 2}, {"k", 3, 3, 5}, {"v", 6, 3, 1}}},
    {"PartsApart", {.rank = 0, .dropout = 0.4F}, {{"q", 0, 3, 4}, {"v", 7, 2, 3}}},
    {"PartsConv1DFull",
     {.rank = 0, .dropout = 0.25F, .conv1d = true, .full = true},
     {{"q", 0, 4, 2}, {"v", 5, 4, 2}}},
};

/// With the one dropout mask of the map's number, whatever its updates are of.
LinearFacts facts_of(const LinearCase& test, const Context& context, std::uint64_t number) {
  const MapOptions& options = test.options;
  LinearFacts facts = {.inputs_by_outputs = options.conv1d,
                       .scale = options.scale,
                       .dropout = {options.dropout, context.dropout_seed, context.micro_step << 20 | number}};
  for (const PartCase& part : test.parts) facts.parts.push_back({part.name, part.first});
  return facts;
}

Linear make_map(const LinearCase& test, Maps& maps) {
  Linear map = maps.make("map", kInputs, kOutputs, test.options);
  for (const PartCase& part : test.parts) {
    MapOptions options = test.options;
    options.rank = part.rank;
    maps.add_update(map, std::string("map.") + part.name, part.first, part.outputs, options);
  }
  return map;
}

class LinearGradients : public ::testing::TestWithParam<std::tuple<LinearCase, DType>> {};

TEST_P(LinearGradients, MatchComplexSteps) {
  const auto& [test, compute] = GetParam();
  Engine engine(compute);
  Operands operands;
  Maps maps(operands, compute);
  const Matrix& x = operands.add("x", kRows, kInputs, compute);
  const Linear linear_map = make_map(test, maps);
  const LinearFacts facts = facts_of(test, engine.context, 5);
  const Matrix dy = testing::random_matrix(kRows, kOutputs, compute, 1);
  const Dense<double> weights = ops::reference::dense<double>(dy);
  const Dense<double> want_y = linear(operands.values, "map", operands.values.at("x"), facts);
  const Values<double> want = complex_gradients(
      [&](const Values<testing::Complex>& v) {
        return testing::weighted_sum(linear(v, "map", v.at("x"), facts), weights);
      },
      operands.values);
  const testing::Tolerance tolerance = module_tolerance(compute);

  Linear::Cache cache;
  Linear::Scratch scratch;
  Matrix y = testing::random_matrix(kRows, kOutputs, compute, 2);
  linear_map.forward(engine.context, x, false, cache, scratch, y);
  EXPECT_TRUE(near(y, want_y, tolerance));
  Matrix sum = testing::random_matrix(kRows, kOutputs, DType::kF32, 3);
  const Dense<double> before = ops::reference::dense<double>(sum);
  linear_map.forward(engine.context, x, true, cache, scratch, sum);
  EXPECT_TRUE(near(added(sum, before), want_y, tolerance));

  Matrix dx = testing::random_matrix(kRows, kInputs, DType::kF32, 4);
  linear_map.backward(engine.context, x, dy, cache, false, scratch, dx);
  EXPECT_TRUE(near(dx, want.at("x"), tolerance));
  maps.expect_gradients(want, tolerance);
}

TEST_P(LinearGradients, DxIsAddedOrLeftOut) {
  const auto& [test, compute] = GetParam();
  Engine engine(compute);
  Operands operands;
  Maps maps(operands, compute);
  const Matrix& x = operands.add("x", kRows, kInputs, compute);
  const Linear linear_map = make_map(test, maps);
  const Matrix dy = testing::random_matrix(kRows, kOutputs, compute, 1);
  Linear::Cache cache;
  Linear::Scratch scratch;
  Matrix y(kRows, kOutputs);
  linear_map.forward(engine.context, x, false, cache, scratch, y);
  Matrix once = testing::random_matrix(kRows, kInputs, DType::kF32, 4);
  Matrix twice(kRows, kInputs);
  linear_map.backward(engine.context, x, dy, cache, false, scratch, once);
  linear_map.backward(engine.context, x, dy, cache, false, scratch, twice);
  linear_map.backward(engine.context, x, dy, cache, true, scratch, twice);
  linear_map.backward(engine.context, x, dy, cache, false, scratch, {});
  Dense<double> want = ops::reference::dense<double>(once);
  for (double& value : want.values) value *= 2;
  EXPECT_TRUE(near(twice, want, {.max_rel = 1e-6, .cosine = 1e-12}));
  // Four backward passes: four times the gradients, also where there was no dx to make.
  const LinearFacts facts = facts_of(test, engine.context, 5);
  const Dense<double> weights = ops::reference::dense<double>(dy);
  Values<double> gradients = complex_gradients(
      [&](const Values<testing::Complex>& v) {
        return testing::weighted_sum(linear(v, "map", v.at("x"), facts), weights);
      },
      operands.values);
  for (auto& [name, gradient] : gradients) {
    for (double& value : gradient.values) value *= 4;
  }
  maps.expect_gradients(gradients, module_tolerance(compute));
}

INSTANTIATE_TEST_SUITE_P(Modules, LinearGradients,
                         ::testing::Combine(::testing::ValuesIn(kCases),
                                            ::testing::Values(DType::kF32, DType::kBF16)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param).name) + "_" +
                                  std::string(name_of(std::get<1>(test.param)));
                         });

/// y of one forward pass of a map with dropout.
Matrix forward_with(const Context& context, Index number) {
  const Matrix weight(4, 64);
  LowRankUpdate update;
  update.rank = 2;
  update.dropout = 0.5F;
  update.a = testing::random_matrix(2, 64, DType::kF32, 1);
  update.b_transposed = testing::random_matrix(2, 4, DType::kF32, 2);
  Linear map("map", number, {.matrix = weight, .bias = {}});
  map.set_update(&update);
  const Matrix x = testing::random_matrix(3, 64, DType::kF32, 3);
  Linear::Cache cache;
  Linear::Scratch scratch;
  Matrix y(3, 4);
  map.forward(context, x, false, cache, scratch, y);
  return y;
}

TEST(LinearDropout, MaskDependsOnSeedStepAndMapAlone) {
  Engine engine(DType::kF32);
  const Matrix y = forward_with(engine.context, 1);
  EXPECT_TRUE(testing::same_bits(y, forward_with(engine.context, 1)));
  EXPECT_FALSE(testing::same_bits(y, forward_with(engine.context, 2)));
  ++engine.context.micro_step;
  EXPECT_FALSE(testing::same_bits(y, forward_with(engine.context, 1)));
  --engine.context.micro_step;
  ++engine.context.dropout_seed;
  EXPECT_FALSE(testing::same_bits(y, forward_with(engine.context, 1)));
}

TEST(LinearDropout, ActsInTrainingOnly) {
  Engine engine(DType::kF32);
  engine.context.training = false;
  const Matrix y = forward_with(engine.context, 1);
  ++engine.context.micro_step;
  EXPECT_TRUE(testing::same_bits(y, forward_with(engine.context, 1)));
}

TEST(LinearDora, NormsAreThoseOfTheRowsOfWAndItsUpdate) {
  for (const bool conv1d : {false, true}) {
    for (const DType type : {DType::kF32, DType::kBF16}) {
      Engine engine(DType::kF32);
      Operands operands;
      Maps maps(operands, type);
      const Linear map = maps.make("map", 300, 37, {.conv1d = conv1d, .dora = true});
      map.renew_norm(*engine.ops);
      const Dense<double>& weight = operands.values.at("map.weight");
      const Dense<double>& a = operands.values.at("map.a");
      const Dense<double>& b = operands.values.at("map.b");
      Dense<double> want(1, 37);
      for (Index o = 0; o < 37; ++o) {
        double square = 0;
        for (Index i = 0; i < 300; ++i) {
          double value = conv1d ? weight(i, o) : weight(o, i);
          for (Index r = 0; r < 3; ++r) value += static_cast<double>(MapOptions{}.scale) * b(r, o) * a(r, i);
          square += value * value;
        }
        want(0, o) = std::sqrt(square);
      }
      EXPECT_TRUE(near(map.updates()[0].update->norm, want, {.max_rel = 1e-6, .cosine = 1e-12}));
    }
  }
}

TEST(Linear, WeightsOfOtherTypesServeAsTheyAre) {
  // A frozen F16 or BF16 matrix under float32 activations is used as its exact values.
  for (const DType type : {DType::kF16, DType::kBF16}) {
    Engine engine(DType::kF32);
    Operands operands;
    Maps maps(operands, type);
    const Matrix& x = operands.add("x", kRows, kInputs);
    const Linear map = maps.make("map", kInputs, kOutputs, {});
    Linear::Cache cache;
    Linear::Scratch scratch;
    Matrix y(kRows, kOutputs);
    map.forward(engine.context, x, false, cache, scratch, y);
    const Dense<double> want =
        linear(operands.values, "map", operands.values.at("x"), {.scale = MapOptions{}.scale});
    EXPECT_TRUE(near(y, want, module_tolerance(DType::kF32))) << name_of(type);
  }
}

TEST(Linear, TrainsWhatHasGradients) {
  Operands operands;
  Maps maps(operands, DType::kF32);
  EXPECT_FALSE(maps.make("plain", 3, 3, {.rank = 0}).trains());
  EXPECT_TRUE(maps.make("update", 3, 3, {.rank = 1}).trains());
  EXPECT_TRUE(maps.make("full", 3, 3, {.rank = 0, .full = true}).trains());
  LowRankUpdate frozen;
  frozen.rank = 1;
  frozen.a = Matrix(1, 3);
  frozen.b_transposed = Matrix(1, 3);
  Linear map = maps.make("frozen", 3, 3, {.rank = 0});
  map.set_update(&frozen);
  EXPECT_FALSE(map.trains());
}

}  // namespace
}  // namespace lorry::nn
