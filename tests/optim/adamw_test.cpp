#include "optim/adamw.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "core/error.hpp"
#include "optim/clip.hpp"

namespace lorry::optim {
namespace {

template <std::size_t N>
void fill(Matrix& matrix, const std::array<float, N>& values, float factor = 1.0F) {
  std::transform(values.begin(), values.end(), matrix.row<float>(0), [&](float x) { return factor * x; });
}

struct TwoParameters {
  Matrix weight{2, 3}, weight_gradient{2, 3};
  Matrix bias{1, 2}, bias_gradient{1, 2};

  TwoParameters() {
    fill(weight, std::array{1.0F, -2.0F, 0.5F, 0.25F, 3.0F, -0.75F});
    fill(bias, std::array{0.1F, -0.2F});
  }
  std::vector<Parameter> list() {
    return {{"weight", weight, weight_gradient, true}, {"bias", bias, bias_gradient, false}};
  }
  void set_gradients(Index step) {
    fill(weight_gradient, std::array{0.1F, -0.2F, 0.3F, -0.4F, 0.5F, 0.0F}, static_cast<float>(step + 1));
    fill(bias_gradient, std::array{1.0F, -2.0F}, static_cast<float>(step - 1));
  }
};

void train(TwoParameters& parameters, AdamW& adamw, ops::Ops& ops, Index first, Index last) {
  for (Index step = first; step < last; ++step) {
    parameters.set_gradients(step);
    const float scale = clip_scale(global_norm(ops, adamw.parameters()), 1.0);
    adamw.step(0.01 * static_cast<double>(step + 1), scale);
  }
}

// torch 2.15: three steps of AdamW(lr 0.01 (k + 1), betas (0.9, 0.999), eps 1e-8, weight_decay 0.1 on the
// weight, 0 on the bias), each after clip_grad_norm_(max_norm 1), on the same numbers.
TEST(AdamW, MatchesTorchWithClippingAndParameterWiseDecay) {
  const auto ops = ops::make_cpu_ops(1);
  TwoParameters parameters;
  AdamW adamw(*ops, parameters.list(), {.weight_decay = 0.1});
  train(parameters, adamw, *ops, 0, 3);
  const std::array weight = {0.937670887, -1.93168187, 0.440665364, 0.304842919, 2.92569304, -0.745508254};
  const std::array bias = {0.124371395, -0.224371403};
  const std::array second = {2.90070311e-5, 1.16028124e-4, 2.61063309e-4, 4.64112498e-4, 7.25175778e-4, 0.0};
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(parameters.weight.row<float>(0)[i], weight[i], 1e-6);
    // 1 - beta2 differs by 1.3e-5 when 0.999 is a float; the bias correction takes it out of the update
    // again.
    EXPECT_NEAR(adamw.moments()[0].second.row<float>(0)[i], second[i], 2e-5 * second[i]);
  }
  for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(parameters.bias.row<float>(0)[i], bias[i], 1e-6);
  EXPECT_EQ(adamw.steps(), 3);
}

TEST(AdamW, ContinuesFromItsSavedStateBitForBit) {
  const auto ops = ops::make_cpu_ops(1);
  TwoParameters whole;
  AdamW adamw(*ops, whole.list(), {});
  train(whole, adamw, *ops, 0, 2);

  TwoParameters resumed;
  AdamW other(*ops, resumed.list(), {});
  for (std::size_t p = 0; p < 2; ++p) {
    ops->copy(adamw.parameters()[p].value, other.parameters()[p].value);
    ops->copy(adamw.moments()[p].first, other.moments()[p].first);
    ops->copy(adamw.moments()[p].second, other.moments()[p].second);
  }
  other.set_steps(adamw.steps());
  train(whole, adamw, *ops, 2, 5);
  train(resumed, other, *ops, 2, 5);
  for (Index i = 0; i < 6; ++i) EXPECT_EQ(whole.weight.row<float>(0)[i], resumed.weight.row<float>(0)[i]);
}

TEST(AdamW, RefusesBadNumbers) {
  const auto ops = ops::make_cpu_ops(1);
  EXPECT_THROW(AdamW(*ops, {}, {.beta1 = 1.0F}), Error);
  EXPECT_THROW(AdamW(*ops, {}, {.beta2 = -0.1}), Error);
  EXPECT_THROW(AdamW(*ops, {}, {.eps = -1.0}), Error);
  EXPECT_THROW(AdamW(*ops, {}, {.weight_decay = -1.0}), Error);
}

}  // namespace
}  // namespace lorry::optim
