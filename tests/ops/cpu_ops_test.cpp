#include "ops/cpu/cpu_ops.hpp"

#include <gtest/gtest.h>
#include <hwy/highway.h>

#include <cstdlib>
#include <vector>

#include "ops/cpu/amx.hpp"
#include "ops/reference/low_rank.hpp"
#include "ops/reference/matmul.hpp"
#include "support/near.hpp"
#include "support/random_matrix.hpp"

namespace lorry::ops {
namespace {

using reference::dense;
using testing::near;
using testing::random_matrix;

/// Restores the best instruction set at the end of a test.
class ChosenTarget {
 public:
  explicit ChosenTarget(std::int64_t target) { hwy::GetChosenTarget().Update(target); }
  ~ChosenTarget() { hwy::GetChosenTarget().Update(hwy::SupportedTargets()); }
  ChosenTarget(const ChosenTarget&) = delete;
  ChosenTarget& operator=(const ChosenTarget&) = delete;
};

/// The instruction sets this machine can run, plain C++ last.
std::vector<std::int64_t> usable_targets() {
  std::vector<std::int64_t> targets = hwy::SupportedAndGeneratedTargets();
  targets.push_back(HWY_SCALAR);
  return targets;
}

TEST(CpuOps, NamesItsImplementation) {
  const std::unique_ptr<Ops> ops = make_cpu_ops();
  const std::string products = cpu::amx::available() ? "oneDNN 2."
                               : ops->fast_bf16()    ? "products of its own, BF16 in pairs, "
                                                     : "products of its own, ";
  EXPECT_EQ(ops->description().find(products), 0U) << ops->description();
  EXPECT_NE(ops->description().find(", Highway "), std::string::npos) << ops->description();
}

/// In a process of its own: oneDNN reads the variable once.
TEST(CpuOpsDeathTest, OneVariableForcesAvx2OnEveryKernel) {
  if (!__builtin_cpu_supports("avx2")) GTEST_SKIP() << "this CPU has no AVX2";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto as_on_avx2 = [] {
    setenv("ONEDNN_MAX_CPU_ISA", "AVX2", 1);
    const std::unique_ptr<Ops> ops = make_cpu_ops();
    if (ops->description() != "products of its own, Highway AVX2" || ops->fast_bf16()) return false;
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      const Matrix x = random_matrix(40, 203, dtype, 1);
      const Matrix w = random_matrix(90, 203, dtype, 2);
      Matrix y(40, 90);
      ops->matmul(x, w, y, {.transpose_b = true});
      const auto want = reference::matmul(dense<double>(x), reference::transpose(dense<double>(w)));
      if (!near(y, want, testing::kF32Tolerance)) return false;
    }
    return true;
  };
  EXPECT_EXIT(std::exit(as_on_avx2() ? 0 : 1), ::testing::ExitedWithCode(0), "");
}

TEST(CpuOps, EveryInstructionSetAgreesOnLowRankAndFewRows) {
  const std::unique_ptr<Ops> ops = make_cpu_ops();
  const Matrix x = random_matrix(4, 203, DType::kBF16, 1);
  const Matrix p = random_matrix(9, 203, DType::kF32, 2);
  const Matrix half = random_matrix(9, 203, DType::kF16, 2);
  const auto want = reference::low_rank_project(dense<double>(x), dense<double>(p), 1.0);
  for (const std::int64_t target : usable_targets()) {
    const ChosenTarget chosen(target);
    Matrix h(4, 9);
    ops->low_rank_project(x, p, 1.0F, h);
    EXPECT_TRUE(near(h, want, testing::kF32Tolerance)) << hwy::TargetName(target);
    Matrix dp(9, 203);
    auto want_dp = dense<double>(dp);
    reference::low_rank_outer_add(dense<double>(h), dense<double>(x), want_dp);
    ops->low_rank_outer_add(h, x, dp);
    EXPECT_TRUE(near(dp, want_dp, testing::kF32Tolerance)) << hwy::TargetName(target);
    Matrix y(4, 9);
    ops->matmul(x, half, y, {.transpose_b = true});
    EXPECT_TRUE(near(y, want, testing::kBF16Tolerance)) << hwy::TargetName(target);
  }
}

TEST(CpuOps, EveryInstructionSetDrawsTheSameMaskAndRoundsTheSame) {
  const std::unique_ptr<Ops> ops = make_cpu_ops();
  const Matrix x = random_matrix(3, 1003, DType::kF32, 1);
  Matrix want(3, 1003, DType::kBF16);
  Matrix want_half(3, 1003, DType::kF16);
  ops->dropout(x, {.rate = 0.25F, .seed = 5, .stream = 6}, want);
  ops->copy(x, want_half);
  for (const std::int64_t target : usable_targets()) {
    const ChosenTarget chosen(target);
    Matrix y(3, 1003, DType::kBF16);
    ops->dropout(x, {.rate = 0.25F, .seed = 5, .stream = 6}, y);
    EXPECT_TRUE(testing::same_bits(y, want)) << hwy::TargetName(target);
    Matrix half(3, 1003, DType::kF16);
    ops->copy(x, half);
    EXPECT_TRUE(testing::same_bits(half, want_half)) << hwy::TargetName(target);
  }
}

TEST(CpuOps, ThreadsDoNotChangeATrainingProduct) {
  const std::unique_ptr<Ops> one = make_cpu_ops(1);
  const std::unique_ptr<Ops> two = make_cpu_ops(2);
  const Matrix x = random_matrix(130, 259, DType::kBF16, 1);
  const Matrix w = random_matrix(517, 259, DType::kF16, 2);
  Matrix from_one(130, 517, DType::kBF16);
  Matrix from_two(130, 517, DType::kBF16);
  one->matmul(x, w, from_one, {.transpose_b = true});
  two->matmul(x, w, from_two, {.transpose_b = true});
  EXPECT_TRUE(testing::same_bits(from_one, from_two));
}

}  // namespace
}  // namespace lorry::ops
