// Steps of every optimiser against torch, bitsandbytes and Lion's paper: scripts/golden/optimizers.py.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "io/safetensors.hpp"
#include "optim/optimizer.hpp"
#include "support/near.hpp"
#include "support/random_matrix.hpp"

namespace lorry::optim {
namespace {

constexpr Index kSteps = 6;
constexpr Index kShift = 41;  // of the gradients' numbers, per step
constexpr double kRate = 3e-3;
const OptimizerConfig kAdam = {.beta1 = 0.9, .beta2 = 0.99, .weight_decay = 0.1};

class Golden : public ::testing::Test {
 protected:
  [[nodiscard]] Matrix tensor(const std::string& name) const {
    const io::TensorView& view = reference_.at(name);
    Matrix result(view.shape.size() == 2 ? view.shape[0] : 1, view.shape.back(), view.dtype);
    std::memcpy(result.view().data, view.bytes.data(), view.bytes.size());
    return result;
  }

  Optimizer train(OptimizerConfig config) {
    weight_ = tensor("weight");
    gradient_ = Matrix(weight_.rows(), weight_.cols());
    Optimizer optimizer(*ops_, {{"weight", weight_, gradient_}}, config);
    const Matrix numbers = tensor("gradients");
    for (Index step = 0; step < kSteps; ++step) {
      std::memcpy(gradient_.view().data, numbers.row<float>(0) + step * kShift,
                  static_cast<std::size_t>(gradient_.bytes()));
      optimizer.step(kRate * static_cast<double>(step + 1));
    }
    return optimizer;
  }

  void expect_weight(const std::string& name) {
    const auto want = ops::reference::dense<double>(tensor(name + ".weight"));
    EXPECT_TRUE(testing::near(weight_, want, {.max_rel = 3e-7, .cosine = 1e-12})) << name;
  }

  io::SafetensorsFile reference_{std::filesystem::path(LORRY_SOURCE_DIR) /
                                 "tests/golden/optim/reference.safetensors"};
  std::unique_ptr<ops::Ops> ops_ = ops::make_cpu_ops(1);
  Matrix weight_;
  Matrix gradient_;
};

using OptimizerGolden = Golden;

TEST_F(OptimizerGolden, AdamWMatchesTorch) {
  train(kAdam);
  expect_weight("adamw");
}

TEST_F(OptimizerGolden, SgdMatchesTorch) {
  OptimizerConfig config = {.kind = OptimizerKind::kSgd, .weight_decay = 0.1};
  EXPECT_TRUE(train(config).state().empty());
  expect_weight("sgd");
  config.momentum = 0.9;
  train(config);
  expect_weight("sgd_momentum");
  config.momentum = 0.8;
  config.nesterov = true;
  train(config);
  expect_weight("sgd_nesterov");
}

TEST_F(OptimizerGolden, LionMatchesItsPaper) {
  Optimizer lion = train({.kind = OptimizerKind::kLion, .weight_decay = 0.1});
  expect_weight("lion");
  const auto mean = ops::reference::dense<double>(tensor("lion.exp_avg"));
  EXPECT_TRUE(testing::near(lion.state()[0].value, mean, {.max_rel = 3e-7, .cosine = 1e-12}));
}

TEST_F(OptimizerGolden, AdamW8bitMatchesBitsandbytes) {
  OptimizerConfig config = kAdam;
  config.kind = OptimizerKind::kAdamW8bit;
  Optimizer adamw = train(config);
  expect_weight("adamw_8bit");
  const std::vector<StateTensor> state = adamw.state();
  ASSERT_EQ(state.size(), 4);
  for (const StateTensor& part : state) {
    const std::string name = "adamw_8bit." + part.name.substr(std::string("weight.").size());
    const Matrix want = tensor(name);
    if (part.value.dtype == DType::kF32) {
      EXPECT_TRUE(testing::near(part.value, ops::reference::dense<double>(want), {.max_rel = 2e-7})) << name;
    } else {
      // Code for code. 60 000 roundings in six steps: none of these lies where float32 could tip it.
      EXPECT_TRUE(testing::same_bits(part.value, want)) << name;
    }
  }
  EXPECT_EQ(adamw.state_bytes(), 2 * 17 * 301 + 2 * 20 * 4);
}

}  // namespace
}  // namespace lorry::optim
