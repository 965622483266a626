#include "nn/mlp.hpp"

#include <gtest/gtest.h>

#include "nn/module_maps.hpp"
#include "nn/reference_modules.hpp"

namespace lorry::nn {
namespace {

using testing::near;

constexpr Index kRows = 6;
constexpr Index kHidden = 7;
constexpr Index kWide = 13;

struct MlpCase {
  const char* name;
  bool gated;
  DType compute;
};

class MlpGradients : public ::testing::TestWithParam<MlpCase> {};

TEST_P(MlpGradients, MatchComplexSteps) {
  const MlpCase test = GetParam();
  Engine engine(test.compute);
  Operands operands;
  Maps maps(operands, test.compute);
  const Matrix& x = operands.add("x", kRows, kHidden, test.compute);
  const MapOptions options = {.rank = 2, .conv1d = !test.gated, .full = test.compute == DType::kF32};
  const LinearFacts facts = {.inputs_by_outputs = options.conv1d, .scale = options.scale};
  Mlp::Parts parts;
  if (test.gated) parts.gate = maps.make("gate", kHidden, kWide, options);
  parts.up = maps.make("up", kHidden, kWide, options);
  parts.down = maps.make("down", kWide, kHidden, options);
  Mlp module(std::move(parts));
  EXPECT_TRUE(module.trains());
  const Matrix dy = testing::random_matrix(kRows, kHidden, test.compute, 1);
  const Dense<double> weights = ops::reference::dense<double>(dy);
  const Values<double> want = complex_gradients(
      [&](const Values<testing::Complex>& v) {
        return testing::weighted_sum(mlp(v, v.at("x"), facts), weights);
      },
      operands.values);
  const testing::Tolerance tolerance = module_tolerance(test.compute);

  Mlp::Cache cache;
  Mlp::Scratch scratch;
  Matrix y = testing::random_matrix(kRows, kHidden, DType::kF32, 2);
  const Dense<double> before = ops::reference::dense<double>(y);
  module.forward(engine.context, x, cache, scratch, y);
  EXPECT_TRUE(near(added(y, before), mlp(operands.values, operands.values.at("x"), facts), tolerance));
  Mlp::Cache without_y;
  module.forward(engine.context, x, without_y, scratch, {});
  EXPECT_TRUE(testing::same_bits(cache.up, without_y.up));
  EXPECT_TRUE(testing::same_bits(cache.down_update.h, without_y.down_update.h));
  Mlp::Scratch fresh;  // backward must not lean on what forward left in the shared room
  Matrix dx = testing::random_matrix(kRows, kHidden, DType::kF32, 3);
  module.backward(engine.context, x, dy, cache, fresh, dx);
  EXPECT_TRUE(near(dx, want.at("x"), tolerance));
  maps.expect_gradients(want, tolerance);
}

INSTANTIATE_TEST_SUITE_P(Modules, MlpGradients,
                         ::testing::Values(MlpCase{"Gated", true, DType::kF32},
                                           MlpCase{"Plain", false, DType::kF32},
                                           MlpCase{"GatedBf16", true, DType::kBF16},
                                           MlpCase{"PlainBf16", false, DType::kBF16}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace lorry::nn
