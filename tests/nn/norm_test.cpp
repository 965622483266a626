#include "nn/norm.hpp"

#include <gtest/gtest.h>

#include "nn/module_maps.hpp"
#include "nn/reference_modules.hpp"

namespace lorry::nn {
namespace {

using testing::near;

constexpr float kEps = 1e-3F;  // large enough to show where it is left out

struct NormCase {
  const char* name;
  NormKind kind;
  Index cols, width;
};

class NormGradients : public ::testing::TestWithParam<NormCase> {};

TEST_P(NormGradients, MatchComplexSteps) {
  const NormCase test = GetParam();
  Engine engine(DType::kF32);
  Operands operands;
  Maps maps(operands, DType::kF32);
  const Matrix& x = operands.add("x", 5, test.cols);
  const Matrix& weight = operands.add("weight", 1, test.width);
  const bool centred = test.kind == NormKind::kLayer;
  ConstMatrixView bias;
  if (centred) bias = operands.add("bias", 1, test.width);
  Norm module(test.kind, kEps, {.weight = weight, .bias = bias});
  module.set_gradients({.weight = maps.gradient("weight", 1, test.width),
                        .bias = centred ? maps.gradient("bias", 1, test.width) : MatrixView{}});
  const Matrix dy = testing::random_matrix(5, test.cols, DType::kF32, 1);
  const auto reference = [&](const auto& v) {
    using D = std::decay_t<decltype(v.at("x"))>;
    return ops::reference::norm(v.at("x"), v.at("weight"), centred ? v.at("bias") : D{},
                                static_cast<double>(kEps), centred);
  };
  const Dense<double> weights = ops::reference::dense<double>(dy);
  const Values<double> want = complex_gradients(
      [&](const Values<testing::Complex>& v) { return testing::weighted_sum(reference(v), weights); },
      operands.values);
  const testing::Tolerance tolerance = module_tolerance(DType::kF32);

  Matrix y(5, test.cols);
  module.forward(engine.context, x, y);
  EXPECT_TRUE(near(y, reference(operands.values), tolerance));
  Matrix dx = testing::random_matrix(5, test.cols, DType::kF32, 2);
  module.backward(engine.context, x, dy, false, dx);
  EXPECT_TRUE(near(dx, want.at("x"), tolerance));
  maps.expect_gradients(want, tolerance);

  Norm frozen(test.kind, kEps, {.weight = weight, .bias = bias});
  const Dense<double> before = ops::reference::dense<double>(dx);
  frozen.backward(engine.context, x, dy, true, dx);
  EXPECT_TRUE(near(added(dx, before), want.at("x"), tolerance));
}

INSTANTIATE_TEST_SUITE_P(Modules, NormGradients,
                         ::testing::Values(NormCase{"Rms", NormKind::kRms, 13, 13},
                                           NormCase{"RmsPerHead", NormKind::kRms, 18, 6},
                                           NormCase{"Layer", NormKind::kLayer, 13, 13}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace lorry::nn
