#include "ops/cpu/optimizer.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <array>

#include "ops/reference/optimizer.hpp"
#include "support/near.hpp"
#include "support/random_matrix.hpp"

namespace lorry::ops::cpu {
namespace {

using reference::Dense;
using reference::dense;
using testing::near;
using testing::random_matrix;
using testing::StridedMatrix;

TEST(SumOfSquares, MatchesReferenceForStridedViews) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const Index width : {1, 7, 31, 32, 33, 1030}) {
      StridedMatrix x(5, width, dtype, 1);
      double want = 0;
      for (const double value : dense<double>(x).values) want += value * value;
      EXPECT_NEAR(sum_of_squares(x), want, 1e-12 * want) << width;
    }
  }
}

TEST(SumOfSquares, ThreadsDoNotChangeTheSum) {
  const Matrix x = random_matrix(97, 3001, DType::kF32, 1);
  omp_set_num_threads(1);
  const double one = sum_of_squares(x);
  omp_set_num_threads(2);
  EXPECT_EQ(one, sum_of_squares(x));
}

TEST(AdamW, MatchesDoubleReferenceOverManySteps) {
  constexpr Index kRows = 3;
  constexpr Index kCols = 11003;  // more than one piece of work, and a tail
  Matrix weight = random_matrix(kRows, kCols, DType::kF32, 1);
  Matrix first(kRows, kCols);
  Matrix second(kRows, kCols);
  Dense<double> want = dense<double>(weight);
  Dense<double> want_first(kRows, kCols);
  Dense<double> want_second(kRows, kCols);
  for (Index step = 1; step <= 10; ++step) {
    const Matrix gradient =
        random_matrix(kRows, kCols, DType::kF32, 100 + static_cast<std::uint64_t>(step), 0.01F);
    const AdamWOptions options = {.lr = 1e-2, .weight_decay = 0.05, .step = step, .gradient_scale = 0.5F};
    adamw(gradient, options, weight, first, second);
    reference::adamw(dense<double>(gradient), options, want, want_first, want_second);
  }
  EXPECT_TRUE(near(weight, want, {.max_rel = 1e-6, .cosine = 1e-12}));
  EXPECT_TRUE(near(first, want_first, {.max_rel = 1e-6, .cosine = 1e-12}));
  EXPECT_TRUE(near(second, want_second, {.max_rel = 1e-6, .cosine = 1e-12}));
}

TEST(Sgd, MatchesDoubleReferenceOverManySteps) {
  for (const bool nesterov : {false, true}) {
    for (const double momentum : {0.0, 0.9}) {
      if (nesterov && momentum == 0) continue;
      constexpr Index kCols = 33003;  // more than one piece of work, and a tail
      Matrix weight = random_matrix(1, kCols, DType::kF32, 1);
      Matrix buffer(1, kCols);
      Dense<double> want = dense<double>(weight);
      Dense<double> want_buffer(1, kCols);
      for (Index step = 1; step <= 10; ++step) {
        const Matrix gradient = random_matrix(1, kCols, DType::kF32, 100 + static_cast<std::uint64_t>(step));
        const SgdOptions options = {.lr = 1e-2,
                                    .momentum = momentum,
                                    .nesterov = nesterov,
                                    .weight_decay = 0.05,
                                    .gradient_scale = 0.5F};
        sgd(gradient, options, weight, momentum > 0 ? buffer.view() : MatrixView{});
        reference::sgd(dense<double>(gradient), options, want, want_buffer);
      }
      EXPECT_TRUE(near(weight, want, {.max_rel = 1e-6, .cosine = 1e-12}));
      if (momentum > 0) {
        EXPECT_TRUE(near(buffer, want_buffer, {.max_rel = 1e-6, .cosine = 1e-12}));
      }
    }
  }
}

TEST(Lion, MatchesDoubleReferenceOverManySteps) {
  constexpr Index kCols = 33003;
  Matrix weight = random_matrix(1, kCols, DType::kF32, 1);
  Matrix mean(1, kCols);
  Dense<double> want = dense<double>(weight);
  Dense<double> want_mean(1, kCols);
  for (Index step = 1; step <= 10; ++step) {
    const Matrix gradient = random_matrix(1, kCols, DType::kF32, 100 + static_cast<std::uint64_t>(step));
    const LionOptions options = {.lr = 1e-2, .weight_decay = 0.05, .gradient_scale = 0.5F};
    lion(gradient, options, weight, mean);
    reference::lion(dense<double>(gradient), options, want, want_mean);
  }
  EXPECT_TRUE(near(weight, want, {.max_rel = 1e-6, .cosine = 1e-12}));
  EXPECT_TRUE(near(mean, want_mean, {.max_rel = 1e-6, .cosine = 1e-12}));
}

TEST(Lion, StandsStillWhereThereIsNoSign) {
  Matrix weight(1, 3);
  Matrix gradient(1, 3);
  Matrix mean(1, 3);
  std::fill_n(weight.row<float>(0), 3, 2.0F);
  gradient.row<float>(0)[0] = -1e-30F;
  gradient.row<float>(0)[2] = 1e-30F;
  lion(gradient, {.lr = 0.5}, weight, mean);
  EXPECT_EQ(weight.row<float>(0)[0], 2.5F);
  EXPECT_EQ(weight.row<float>(0)[1], 2.0F);
  EXPECT_EQ(weight.row<float>(0)[2], 1.5F);
}

// torch 2.15.0, torch.optim.AdamW([w], lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1,
// foreach=False) on the CPU, float32, three steps with the gradients below; values printed with 9 digits.
TEST(AdamW, MatchesTorch) {
  constexpr std::array<std::array<float, 4>, 3> kGradients = {
      {{0.1F, -0.2F, 1e-4F, 3.0F}, {-0.3F, 0.05F, 2e-4F, -1.0F}, {0.2F, 0.2F, -1e-3F, 0.5F}}};
  constexpr std::array kStart = {1.0F, -2.0F, 0.5F, 3e-3F};
  constexpr std::array kWeight = {0.991772115F, -1.98118305F, 0.483488053F, -0.0150414407F};
  constexpr std::array kFirst = {0.00110000069F, 0.00829999894F, -7.39000097e-05F, 0.203000009F};
  constexpr std::array kSecond = {0.00013989002F, 8.2417544e-05F, 1.04994013e-09F, 0.0102310078F};
  Matrix weight(1, 4);
  Matrix gradient(1, 4);
  Matrix first(1, 4);
  Matrix second(1, 4);
  std::copy(kStart.begin(), kStart.end(), weight.row<float>(0));
  for (std::size_t step = 0; step < kGradients.size(); ++step) {
    std::copy(kGradients[step].begin(), kGradients[step].end(), gradient.row<float>(0));
    adamw(gradient, {.lr = 1e-2, .weight_decay = 0.1, .step = static_cast<Index>(step) + 1}, weight, first,
          second);
  }
  for (std::size_t i = 0; i < kStart.size(); ++i) {
    EXPECT_FLOAT_EQ(weight.row<float>(0)[i], kWeight[i]);
    // The first moment nearly cancels: its error is relative to its largest term.
    EXPECT_NEAR(first.row<float>(0)[i], kFirst[i], 1e-8F * std::abs(kGradients[0][i]) + 1e-10F);
    EXPECT_FLOAT_EQ(second.row<float>(0)[i], kSecond[i]);
  }
}

}  // namespace
}  // namespace lorry::ops::cpu
