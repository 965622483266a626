#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <limits>

#include "ops/cpu/optimizer.hpp"
#include "ops/cpu/quantizer.hpp"
#include "ops/reference/optimizer.hpp"
#include "support/instruction_sets.hpp"
#include "support/near.hpp"
#include "support/random_matrix.hpp"

namespace lorry::ops::cpu {
namespace {

using reference::Codes;
using reference::Dense;
using reference::dense;

struct Moment {
  Matrix codes;
  Matrix absmax;

  Moment(Index rows, Index cols)
      : codes(rows, cols, DType::kU8), absmax(1, (rows * cols + kQuantBlock - 1) / kQuantBlock) {}
  Quantized view() { return {codes, absmax}; }
};

TEST(DynamicMap, HasItsCornerValues) {
  const DynamicMap with_sign = dynamic_map(true);
  const DynamicMap without = dynamic_map(false);
  EXPECT_EQ(with_sign[127], 0.0F);
  EXPECT_EQ(with_sign[255], 1.0F);
  EXPECT_FLOAT_EQ(with_sign[0], -0.99296875F);  // -1 has no code of its own
  EXPECT_FLOAT_EQ(with_sign[128], 5.5e-7F);
  EXPECT_EQ(without[0], 0.0F);
  EXPECT_FLOAT_EQ(without[1], 3.25e-7F);
  EXPECT_EQ(without[255], 1.0F);
}

TEST(Quantizer, PicksTheNearestCodeEverywhere) {
  for (const bool with_sign : {true, false}) {
    const DynamicMap map = dynamic_map(with_sign);
    const Quantizer& quantizer = with_sign ? signed_quantizer() : unsigned_quantizer();
    const auto check = [&](float x) {
      const std::uint8_t code = quantizer.code(x);
      const auto distance = [&](std::uint8_t c) {
        return std::abs(static_cast<double>(map[c]) - static_cast<double>(x));
      };
      const std::uint8_t best = reference::nearest_code(map, static_cast<double>(x));
      // A middle of two is rounded to float32: the farther one by half a unit in the last place.
      ASSERT_LE(distance(code) - distance(best), 1.2e-7 * std::abs(static_cast<double>(x))) << x;
    };
    for (std::size_t code = 0; code < kDynamicCodes; ++code) {
      EXPECT_EQ(quantizer.code(map[code]), code);
      check(map[code]);
      if (code == 0) continue;
      float x = 0.5F * (map[code - 1] + map[code]);
      for (int i = 0; i < 3; ++i) x = std::nextafter(x, -2.0F);
      for (int i = 0; i < 6; ++i, x = std::nextafter(x, 2.0F)) check(x);
    }
    Rng rng(1);
    for (int i = 0; i < 20'000; ++i) {
      const float magnitude = std::pow(10.0F, -9.0F * rng.next_uniform());
      check(with_sign && i % 2 == 0 ? -magnitude : magnitude);
    }
    check(0.0F);
    check(std::numeric_limits<float>::denorm_min());
  }
}

/// Ten steps; kernels and reference see the same numbers.
void expect_like_reference(Index rows, Index cols) {
  Matrix weight = testing::random_matrix(rows, cols, DType::kF32, 1);
  Moment first(rows, cols);
  Moment second(rows, cols);
  Dense<double> want = dense<double>(weight);
  Codes<double> want_first(want.values.size());
  Codes<double> want_second(want.values.size());
  for (Index step = 1; step <= 10; ++step) {
    const Matrix gradient =
        testing::random_matrix(rows, cols, DType::kF32, 100 + static_cast<std::uint64_t>(step), 0.01F);
    const AdamWOptions options = {.lr = 1e-2, .weight_decay = 0.05, .step = step, .gradient_scale = 0.5F};
    adamw_8bit(gradient, options, weight, first.view(), second.view());
    reference::adamw_8bit(dense<double>(gradient), options, want, want_first, want_second);
  }
  // A moment that lies between two codes may round to the other one in float32: a part in 64 of it, rarely.
  EXPECT_TRUE(testing::near(weight, want, {.max_rel = 5e-3, .cosine = 1e-7}));
  Index different = 0;
  for (std::size_t i = 0; i < want.values.size(); ++i) {
    different += first.codes.row<std::uint8_t>(0)[i] == want_first.codes[i] ? 0 : 1;
    different += second.codes.row<std::uint8_t>(0)[i] == want_second.codes[i] ? 0 : 1;
  }
  EXPECT_LE(different, 1 + weight.size() / 500);
}

TEST(AdamW8bit, MatchesTheReferenceOverManySteps) {
  testing::for_each_instruction_set([] {
    expect_like_reference(1, 1);
    expect_like_reference(3, 85);
    expect_like_reference(16, 16);
    expect_like_reference(3, 3003);  // several pieces of work, and a tail
  });
}

TEST(AdamW8bit, ASecondMomentNeverBecomesZeroBesideALargeOne) {
  Matrix weight(1, 256);
  Matrix gradient(1, 256);
  Moment first(1, 256);
  Moment second(1, 256);
  std::fill_n(gradient.row<float>(0), 256, 1.0F);
  gradient.row<float>(0)[7] = 1e-4F;  // its square: 1e-8 of the block's largest, below half of the first code
  adamw_8bit(gradient, {.lr = 1e-3}, weight, first.view(), second.view());
  EXPECT_EQ(second.codes.row<std::uint8_t>(0)[7], 1);
  std::fill_n(gradient.row<float>(0), 256, 0.0F);
  const float before = weight.row<float>(0)[7];
  adamw_8bit(gradient, {.lr = 1e-3, .step = 2}, weight, first.view(), second.view());
  EXPECT_LT(std::abs(weight.row<float>(0)[7] - before), 1e-3F);  // with a zero: 0.05
}

TEST(AdamW8bit, TheNumberOfThreadsChangesNoBit) {
  Matrix weights[2] = {testing::random_matrix(40, 1001, DType::kF32, 1),
                       testing::random_matrix(40, 1001, DType::kF32, 1)};
  const Matrix gradient = testing::random_matrix(40, 1001, DType::kF32, 2);
  const int before = omp_get_max_threads();
  for (int threads = 1; threads <= 2; ++threads) {
    omp_set_num_threads(threads);
    Moment first(40, 1001);
    Moment second(40, 1001);
    for (Index step = 1; step <= 3; ++step) {
      adamw_8bit(gradient, {.step = step}, weights[threads - 1], first.view(), second.view());
    }
  }
  omp_set_num_threads(before);
  EXPECT_TRUE(testing::same_bits(weights[0], weights[1]));
}

}  // namespace
}  // namespace lorry::ops::cpu
