#include "optim/adamw.hpp"

#include <gtest/gtest.h>

#include <array>

#include "optim/two_parameters.hpp"

namespace lorry::optim {
namespace {

// torch 2.15: three steps of AdamW(lr 0.01 (k + 1), betas (0.9, 0.999), eps 1e-8, weight_decay 0.1 on the
// weight, 0 on the bias), each after clip_grad_norm_(max_norm 1), on the same numbers.
TEST(AdamW, MatchesTorchWithClippingAndParameterWiseDecay) {
  const auto ops = ops::make_cpu_ops(1);
  TwoParameters parameters;
  Optimizer adamw(*ops, parameters.list(), {.weight_decay = 0.1});
  train(parameters, adamw, *ops, 0, 3);
  const std::array weight = {0.937670887, -1.93168187, 0.440665364, 0.304842919, 2.92569304, -0.745508254};
  const std::array bias = {0.124371395, -0.224371403};
  const std::array second = {2.90070311e-5, 1.16028124e-4, 2.61063309e-4, 4.64112498e-4, 7.25175778e-4, 0.0};
  const std::vector<StateTensor> state = adamw.state();
  ASSERT_EQ(state.size(), 4);
  EXPECT_EQ(state[1].name, "weight.exp_avg_sq");
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(parameters.weight.row<float>(0)[i], weight[i], 1e-6);
    // 1 - beta2 differs by 1.3e-5 when 0.999 is a float; the bias correction takes it out of the update
    // again.
    EXPECT_NEAR(state[1].value.row<float>(0)[i], second[i], 2e-5 * second[i]);
  }
  for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(parameters.bias.row<float>(0)[i], bias[i], 1e-6);
  EXPECT_EQ(adamw.steps(), 3);
}

}  // namespace
}  // namespace lorry::optim
