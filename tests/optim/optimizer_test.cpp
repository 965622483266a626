#include "optim/optimizer.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "optim/two_parameters.hpp"
#include "support/random_matrix.hpp"

namespace lorry::optim {
namespace {

void copy_bytes(const StateTensor& from, const StateTensor& to) {
  ASSERT_EQ(from.name, to.name);
  ASSERT_EQ(from.value.dtype, to.value.dtype);
  ASSERT_EQ(from.value.size(), to.value.size());
  std::memcpy(to.value.data, from.value.data,
              static_cast<std::size_t>(from.value.size() * size_of(from.value.dtype)));
}

TEST(Optimizer, ContinuesFromItsSavedStateBitForBit) {
  const auto ops = ops::make_cpu_ops(1);
  OptimizerConfig momentum = {.kind = OptimizerKind::kSgd, .momentum = 0.9};
  for (const OptimizerConfig& config : {OptimizerConfig{}, OptimizerConfig{.kind = OptimizerKind::kAdamW8bit},
                                        OptimizerConfig{.kind = OptimizerKind::kSgd}, momentum,
                                        OptimizerConfig{.kind = OptimizerKind::kLion}}) {
    TwoParameters whole;
    Optimizer optimizer(*ops, whole.list(), config);
    train(whole, optimizer, *ops, 0, 2);

    TwoParameters resumed;
    Optimizer other(*ops, resumed.list(), config);
    for (std::size_t p = 0; p < 2; ++p) {
      ops->copy(optimizer.parameters()[p].value, other.parameters()[p].value);
    }
    const std::vector<StateTensor> saved = optimizer.state();
    const std::vector<StateTensor> restored = other.state();
    ASSERT_EQ(saved.size(), restored.size());
    for (std::size_t i = 0; i < saved.size(); ++i) copy_bytes(saved[i], restored[i]);
    other.set_steps(optimizer.steps());
    train(whole, optimizer, *ops, 2, 5);
    train(resumed, other, *ops, 2, 5);
    EXPECT_TRUE(testing::same_bits(whole.weight, resumed.weight));
    EXPECT_TRUE(testing::same_bits(whole.bias, resumed.bias));
    EXPECT_EQ(other.steps(), 5);
  }
}

TEST(Optimizer, AParametersFactorMultipliesItsRate) {
  const auto ops = ops::make_cpu_ops(1);
  TwoParameters faster;
  std::vector<Parameter> parameters = faster.list();
  parameters[1].lr_factor = 4;
  Optimizer optimizer(*ops, parameters, {.weight_decay = 0});
  TwoParameters plain;
  Optimizer other(*ops, plain.list(), {.weight_decay = 0});
  faster.set_gradients(2);
  plain.set_gradients(2);
  optimizer.step(0.25);
  other.step(0.25);
  EXPECT_TRUE(testing::same_bits(faster.weight, plain.weight));
  TwoParameters fastest;
  Optimizer third(*ops, fastest.list(), {.weight_decay = 0});
  fastest.set_gradients(2);
  third.step(1.0);
  EXPECT_TRUE(testing::same_bits(faster.bias, fastest.bias));
  EXPECT_FALSE(testing::same_bits(faster.bias, plain.bias));
}

TEST(Optimizer, CountsTheBytesOfItsState) {
  const auto ops = ops::make_cpu_ops(1);
  TwoParameters parameters;
  EXPECT_EQ(Optimizer(*ops, parameters.list(), {}).state_bytes(), (6 + 2) * 2 * 4);
}

TEST(Optimizer, BytesOfItsStateAreKnownBefore) {
  const auto ops = ops::make_cpu_ops(1);
  const std::vector<OptimizerConfig> configs = {{.kind = OptimizerKind::kAdamW},
                                                {.kind = OptimizerKind::kAdamW8bit},
                                                {.kind = OptimizerKind::kSgd},
                                                {.kind = OptimizerKind::kSgd, .momentum = 0.9},
                                                {.kind = OptimizerKind::kLion}};
  for (const OptimizerConfig& config : configs) {
    for (const Index columns : {7, 4095, 4096, 5001}) {
      Matrix value(1, columns);
      Matrix gradient(1, columns);
      const std::vector<Parameter> parameters = {{.name = "w", .value = value, .gradient = gradient}};
      EXPECT_EQ(state_bytes(config, columns), Optimizer(*ops, parameters, config).state_bytes()) << columns;
    }
  }
}

TEST(Optimizer, EightBitStateOfLargeParametersGoesOnBitForBit) {
  const auto ops = ops::make_cpu_ops(1);
  const OptimizerConfig config = {.kind = OptimizerKind::kAdamW8bit};
  Matrix whole = testing::random_matrix(70, 100, DType::kF32, 1);
  Matrix gradient = testing::random_matrix(70, 100, DType::kF32, 2);
  Optimizer optimizer(*ops, {{"w", whole, gradient}}, config);
  for (int i = 0; i < 3; ++i) optimizer.step(1e-2);
  Matrix resumed(70, 100);
  ops->copy(whole, resumed);
  Optimizer other(*ops, {{"w", resumed, gradient}}, config);
  const std::vector<StateTensor> saved = optimizer.state();
  const std::vector<StateTensor> restored = other.state();
  ASSERT_EQ(saved.size(), 4);
  for (std::size_t i = 0; i < saved.size(); ++i) copy_bytes(saved[i], restored[i]);
  other.set_steps(3);
  optimizer.step(1e-2);
  other.step(1e-2);
  EXPECT_TRUE(testing::same_bits(whole, resumed));
}

}  // namespace
}  // namespace lorry::optim
