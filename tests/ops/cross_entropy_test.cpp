#include "ops/cpu/cross_entropy.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/reference/cross_entropy.hpp"
#include "support/complex_step.hpp"
#include "support/instruction_sets.hpp"
#include "support/near.hpp"
#include "support/random_matrix.hpp"

namespace lorry::ops {
namespace {

using lorry::testing::near;
using reference::Dense;

std::vector<std::int32_t> some_targets(Index rows, Index vocabulary) {
  std::vector<std::int32_t> targets;
  for (Index i = 0; i < rows; ++i) {
    targets.push_back(i % 3 == 2 ? -100 : static_cast<std::int32_t>(7919 * (i + 1) % vocabulary));
  }
  return targets;
}

TEST(CrossEntropy, LossAndGradientMatchTheReference) {
  testing::for_each_instruction_set([&] {
    struct Shape {
      Index rows, vocabulary;
    };
    for (const Shape& shape : {Shape{1, 1}, {1, 2}, {5, 15}, {7, 33}, {4, 4097}, {40, 35}, {3, 20001}}) {
      testing::StridedMatrix logits(shape.rows, shape.vocabulary, DType::kF32, 1, 4.0F);
      const std::vector<std::int32_t> targets = some_targets(shape.rows, shape.vocabulary);
      const Dense<double> exact = reference::dense<double>(logits);
      const double want = reference::cross_entropy(exact, targets);
      EXPECT_NEAR(cpu::cross_entropy(logits, targets, {}), want, 2e-7 * (1.0 + want));
      EXPECT_TRUE(near(logits, exact, {.max_rel = 0.0})) << "logits changed without a gradient";
      EXPECT_NEAR(cpu::cross_entropy(logits, targets, {.with_gradient = true, .gradient_scale = 0.5F}), want,
                  2e-7 * (1.0 + want));
      EXPECT_TRUE(logits.surroundings_intact());
      if (shape.vocabulary < 100 && shape.vocabulary > 1) {
        const auto loss = [&](const testing::ComplexMatrix& x) {
          return 0.5 * reference::cross_entropy(x, targets);
        };
        EXPECT_TRUE(near(logits, testing::complex_step_gradient(loss, exact), testing::kF32Tolerance));
      }
    }
  });
}

TEST(CrossEntropy, SmoothedLossAndGradientMatchTheReference) {
  testing::for_each_instruction_set([&] {
    struct Shape {
      Index rows, vocabulary;
    };
    for (const float smoothing : {0.1F, 0.5F}) {
      for (const Shape& shape : {Shape{1, 1}, {1, 2}, {5, 15}, {7, 33}, {4, 4097}, {3, 20001}}) {
        testing::StridedMatrix logits(shape.rows, shape.vocabulary, DType::kF32, 1, 4.0F);
        const std::vector<std::int32_t> targets = some_targets(shape.rows, shape.vocabulary);
        const Dense<double> exact = reference::dense<double>(logits);
        const auto epsilon = static_cast<double>(smoothing);
        const double want = reference::cross_entropy(exact, targets, epsilon);
        EXPECT_NEAR(cpu::cross_entropy(logits, targets, {.label_smoothing = smoothing}), want,
                    2e-7 * (1.0 + want));
        const CrossEntropyOptions options = {
            .with_gradient = true, .gradient_scale = 0.5F, .label_smoothing = smoothing};
        EXPECT_NEAR(cpu::cross_entropy(logits, targets, options), want, 2e-7 * (1.0 + want));
        EXPECT_TRUE(logits.surroundings_intact());
        if (shape.vocabulary > 100 || shape.vocabulary == 1) continue;
        const auto loss = [&](const testing::ComplexMatrix& x) {
          return 0.5 * reference::cross_entropy(x, targets, epsilon);
        };
        EXPECT_TRUE(near(logits, testing::complex_step_gradient(loss, exact), testing::kF32Tolerance));
      }
    }
  });
}

// torch 2.15.0: cross_entropy(logits, targets, label_smoothing=s, reduction="sum", ignore_index=-100) and its
// gradient; transformers' LabelSmoother(s) gives the same sums.
TEST(CrossEntropy, SmoothingIsThatOfTorch) {
  constexpr float kLogits[3][5] = {
      {1.5F, -0.25F, 3.0F, 0.5F, -2.0F}, {0.1F, 0.2F, -0.3F, 4.0F, -1.0F}, {2.0F, 1.0F, 0.0F, -1.0F, 0.5F}};
  constexpr float kTenth[3][5] = {
      {0.145192593F, 0.0087061692F, -0.1796581F, 0.0407709591F, -0.0150116142F},
      {-0.900956273F, 0.00104654324F, -0.00723462971F, 0.920805216F, -0.0136609031F},
      {}};
  Matrix logits(3, 5);
  const std::vector<std::int32_t> targets = {2, 0, -100};
  const auto fill = [&] {
    for (Index i = 0; i < 3; ++i) std::copy_n(kLogits[i], 5, logits.row<float>(i));
  };
  fill();
  EXPECT_NEAR(cpu::cross_entropy(logits, targets, {.label_smoothing = 0.3F}), 4.84666252, 5e-7);
  EXPECT_NEAR(cpu::cross_entropy(logits, targets, {.with_gradient = true, .label_smoothing = 0.1F}),
              4.45666218, 5e-7);
  for (Index i = 0; i < 3; ++i) {
    for (Index j = 0; j < 5; ++j) EXPECT_NEAR(logits.row<float>(i)[j], kTenth[i][j], 1e-7);
  }
}

TEST(CrossEntropy, IsStableForLargeLogits) {
  Matrix logits(2, 20);
  for (Index j = 0; j < 20; ++j) {
    logits.row<float>(0)[j] = 1e4F + static_cast<float>(j);
    logits.row<float>(1)[j] = -3e38F;
  }
  logits.row<float>(1)[19] = 3e38F;
  const std::vector<std::int32_t> targets = {19, 19};
  const double loss = cpu::cross_entropy(logits, targets, {.with_gradient = true});
  EXPECT_NEAR(loss, 0.45867514, 1e-6);  // -log of 1 / (1 + e^-1 + e^-2 + ...)
  EXPECT_NEAR(logits.row<float>(0)[18], 0.23254416, 1e-6);
  EXPECT_EQ(logits.row<float>(1)[19], 0.0F);
}

TEST(CrossEntropy, NanAndInfinityAreNotHidden) {
  testing::for_each_instruction_set([&] {
    for (const Index at : {0, 5, 16, 36}) {
      for (const float bad : {std::nanf(""), HUGE_VALF}) {
        Matrix logits = testing::random_matrix(2, 37, DType::kF32, 1);
        logits.row<float>(1)[at] = bad;
        const std::vector<std::int32_t> targets = {1, 2};
        EXPECT_FALSE(std::isfinite(cpu::cross_entropy(logits, targets, {.with_gradient = true}))) << at;
        EXPECT_FALSE(std::isfinite(logits.row<float>(1)[3])) << at;
        EXPECT_TRUE(std::isfinite(logits.row<float>(0)[3])) << at;
      }
    }
    // A masked logit (-inf) is no error unless it is the target.
    Matrix logits(1, 5);
    logits.row<float>(0)[4] = -HUGE_VALF;
    const std::vector<std::int32_t> first = {0};
    EXPECT_NEAR(cpu::cross_entropy(logits, first, {}), std::log(4.0), 1e-6);
    const std::vector<std::int32_t> masked = {4};
    EXPECT_EQ(cpu::cross_entropy(logits, masked, {}), HUGE_VAL);
  });
}

TEST(CrossEntropy, TheNumberOfThreadsChangesNoBit) {
  const int before = omp_get_max_threads();
  Matrix one = testing::random_matrix(50, 3000, DType::kF32, 1);
  Matrix two = testing::random_matrix(50, 3000, DType::kF32, 1);
  const std::vector<std::int32_t> targets = some_targets(50, 3000);
  omp_set_num_threads(1);
  const double loss_one = cpu::cross_entropy(one, targets, {.with_gradient = true});
  omp_set_num_threads(2);
  const double loss_two = cpu::cross_entropy(two, targets, {.with_gradient = true});
  omp_set_num_threads(before);
  EXPECT_EQ(loss_one, loss_two);
  EXPECT_TRUE(testing::same_bits(one, two));
}

}  // namespace
}  // namespace lorry::ops
