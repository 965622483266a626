#include "ops/cpu/cross_entropy.hpp"

#include <gtest/gtest.h>
#include <omp.h>

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
      EXPECT_NEAR(cpu::cross_entropy(logits, targets, false, 1.0F), want, 2e-7 * (1.0 + want));
      EXPECT_TRUE(near(logits, exact, {.max_rel = 0.0})) << "logits changed without a gradient";
      EXPECT_NEAR(cpu::cross_entropy(logits, targets, true, 0.5F), want, 2e-7 * (1.0 + want));
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

TEST(CrossEntropy, IsStableForLargeLogits) {
  Matrix logits(2, 20);
  for (Index j = 0; j < 20; ++j) {
    logits.row<float>(0)[j] = 1e4F + static_cast<float>(j);
    logits.row<float>(1)[j] = -3e38F;
  }
  logits.row<float>(1)[19] = 3e38F;
  const std::vector<std::int32_t> targets = {19, 19};
  const double loss = cpu::cross_entropy(logits, targets, true, 1.0F);
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
        EXPECT_FALSE(std::isfinite(cpu::cross_entropy(logits, targets, true, 1.0F))) << at;
        EXPECT_FALSE(std::isfinite(logits.row<float>(1)[3])) << at;
        EXPECT_TRUE(std::isfinite(logits.row<float>(0)[3])) << at;
      }
    }
    // A masked logit (-inf) is no error unless it is the target.
    Matrix logits(1, 5);
    logits.row<float>(0)[4] = -HUGE_VALF;
    const std::vector<std::int32_t> first = {0};
    EXPECT_NEAR(cpu::cross_entropy(logits, first, false, 1.0F), std::log(4.0), 1e-6);
    const std::vector<std::int32_t> masked = {4};
    EXPECT_EQ(cpu::cross_entropy(logits, masked, false, 1.0F), HUGE_VAL);
  });
}

TEST(CrossEntropy, TheNumberOfThreadsChangesNoBit) {
  const int before = omp_get_max_threads();
  Matrix one = testing::random_matrix(50, 3000, DType::kF32, 1);
  Matrix two = testing::random_matrix(50, 3000, DType::kF32, 1);
  const std::vector<std::int32_t> targets = some_targets(50, 3000);
  omp_set_num_threads(1);
  const double loss_one = cpu::cross_entropy(one, targets, true, 1.0F);
  omp_set_num_threads(2);
  const double loss_two = cpu::cross_entropy(two, targets, true, 1.0F);
  omp_set_num_threads(before);
  EXPECT_EQ(loss_one, loss_two);
  EXPECT_TRUE(testing::same_bits(one, two));
}

}  // namespace
}  // namespace lorry::ops
