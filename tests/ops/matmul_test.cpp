#include "ops/cpu/matmul.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <string>
#include <tuple>

#include "ops/reference/elementwise.hpp"
#include "ops/reference/low_rank.hpp"
#include "ops/reference/matmul.hpp"
#include "support/near.hpp"
#include "support/random_matrix.hpp"
#include "support/random_packed.hpp"

namespace lorry::ops::cpu {
namespace {

using reference::Dense;
using testing::near;
using testing::random_matrix;
using testing::StridedMatrix;
using testing::tolerance_of;

/// What the kernel promises: both factors in the type of a, sums in more.
Dense<double> expected(ConstMatrixView a, ConstMatrixView b, ConstMatrixView c, MatmulOptions options) {
  Matrix rounded(b.rows, b.cols, a.dtype == DType::kBF16 ? DType::kBF16 : DType::kF32);
  for (Index i = 0; i < b.rows; ++i) {
    for (Index j = 0; j < b.cols; ++j) testing::put(rounded, i, j, testing::get(b, i, j));
  }
  Dense<double> left = reference::dense<double>(a);
  Dense<double> right = reference::dense<double>(rounded);
  if (options.transpose_a) left = reference::transpose(left);
  if (options.transpose_b) right = reference::transpose(right);
  Dense<double> product = reference::matmul(left, right);
  if (options.accumulate) reference::add(reference::dense<double>(c), 1.0, product);
  return product;
}

using Case = std::tuple<DType, DType, DType, MatmulOptions>;

class MatmulTypes : public ::testing::TestWithParam<Case> {};

TEST_P(MatmulTypes, MatchesReferenceOnStridedViewsOfOddSizes) {
  const auto [type_a, type_b, type_c, options] = GetParam();
  Matmul matmul;
  for (const Index m : {1, 3, 4, 5, 17, 33}) {
    const Index k = 67;
    const Index n = 35;
    StridedMatrix a(options.transpose_a ? k : m, options.transpose_a ? m : k, type_a, 1);
    StridedMatrix b(options.transpose_b ? n : k, options.transpose_b ? k : n, type_b, 2);
    StridedMatrix c(m, n, type_c, 3);
    const Dense<double> want = expected(a, b, c, options);
    matmul.run(a, b, c, options);
    EXPECT_TRUE(near(c, want, tolerance_of(type_c))) << "M = " << m;
    EXPECT_TRUE(c.surroundings_intact()) << "M = " << m;
  }
}

std::string case_name(const ::testing::TestParamInfo<Case>& info) {
  const auto& [a, b, c, options] = info.param;
  std::string name;
  name.append(name_of(a)).append(options.transpose_a ? "t" : "").append(name_of(b));
  name.append(options.transpose_b ? "t" : "").append("To").append(name_of(c));
  return name.append(options.accumulate ? "Add" : "");
}

constexpr DType kF32 = DType::kF32;
constexpr DType kF16 = DType::kF16;
constexpr DType kBF16 = DType::kBF16;
constexpr MatmulOptions kPlain = {false, false, false};
constexpr MatmulOptions kForward = {false, true, false};
constexpr MatmulOptions kWeightGradient = {true, false, true};
constexpr MatmulOptions kForwardAdd = {false, true, true};
constexpr MatmulOptions kPlainAdd = {false, false, true};

INSTANTIATE_TEST_SUITE_P(
    All, MatmulTypes,
    ::testing::Values(Case{kF32, kF32, kF32, kPlain}, Case{kF32, kF32, kF32, kForward},
                      Case{kF32, kF32, kF32, kWeightGradient}, Case{kF32, kF32, kF32, kForwardAdd},
                      Case{kBF16, kBF16, kBF16, kPlain}, Case{kBF16, kBF16, kBF16, kForward},
                      Case{kBF16, kBF16, kBF16, kForwardAdd}, Case{kBF16, kBF16, kF32, kForward},
                      Case{kBF16, kBF16, kF32, kWeightGradient}, Case{kBF16, kF32, kBF16, kForward},
                      Case{kBF16, kF32, kF32, kPlainAdd}, Case{kBF16, kF16, kBF16, kPlain},
                      Case{kF32, kBF16, kF32, kForward}, Case{kF32, kF16, kF32, kPlain},
                      Case{kF32, kF16, kBF16, kForwardAdd}, Case{kF32, kF32, kBF16, kPlain},
                      Case{kF16, kBF16, kF32, kForward}),
    case_name);

TEST(Matmul, EveryKindTakesALowRankTermAlong) {
  constexpr Index kInner = 64;
  constexpr Index kOutputs = 40;
  const Matrix dense = random_matrix(kOutputs, kInner, kBF16, 2);
  const testing::RandomPacked int8(BlockFormat::kInt8, kOutputs, kInner, 2);
  const testing::RandomPacked q8_0(BlockFormat::kQ8_0, kOutputs, kInner, 2);
  const Matrix p = random_matrix(3, kOutputs, kF32, 5);
  for (const WeightView& b : {WeightView(dense), WeightView(int8), WeightView(q8_0)}) {
    for (const Integers integers : {Integers::kNone, Integers::kDots, Integers::kTiles}) {
      for (const Index rows : {2, 40}) {
        Matmul matmul;
        const Matrix a = random_matrix(rows, kInner, kBF16, 1);
        const Matrix h = random_matrix(rows, 3, kF32, 4);
        const LowRankTerm term = {h, p};
        for (const DType type : {kF32, kBF16}) {
          Matrix without = random_matrix(rows, kOutputs, kF32, 6);
          Matrix with = random_matrix(rows, kOutputs, type, 6);
          matmul.run(a, b, without, {.transpose_b = true, .accumulate = true, .integers = integers});
          matmul.run(a, b, with,
                     {.transpose_b = true, .accumulate = true, .integers = integers, .plus = {&term, 1}});
          Dense<double> want = reference::dense<double>(without);
          reference::low_rank_expand_add(reference::dense<double>(h), reference::dense<double>(p), want);
          EXPECT_TRUE(near(with, want, tolerance_of(type))) << rows;
        }
      }
    }
  }
  Matrix c = random_matrix(6, kOutputs, kF32, 6);
  const Matrix h = random_matrix(6, 3, kF32, 4);
  const LowRankTerm term = {h, p};
  Dense<double> want = reference::dense<double>(c);
  reference::low_rank_expand_add(reference::dense<double>(h), reference::dense<double>(p), want);
  const ConstMatrixView none = {c.view().data, 6, 0, 1, kF32};
  Matmul().run(none, ConstMatrixView{c.view().data, kOutputs, 0, 1, kF32}, c,
               {.transpose_b = true, .accumulate = true, .plus = {&term, 1}});
  EXPECT_TRUE(near(c, want, testing::kF32Tolerance)) << "without an inner side";
}

/// Wide products in BF16 are made strip by strip where they are oneDNN's.
TEST(Matmul, EveryStripTakesItsOwnPartOfATerm) {
  constexpr Index kInner = 24;
  constexpr Index kOutputs = 2100;
  const Matrix a = random_matrix(6, kInner, kBF16, 1);
  const Matrix h = random_matrix(6, 3, kF32, 4);
  const Matrix p = random_matrix(3, kOutputs, kF32, 5);
  const LowRankTerm term = {h, p};
  for (const bool transpose_b : {false, true}) {
    const Matrix b =
        transpose_b ? random_matrix(kOutputs, kInner, kBF16, 2) : random_matrix(kInner, kOutputs, kBF16, 2);
    for (const DType type : {kF32, kBF16}) {
      Matmul matmul;
      Matrix without(6, kOutputs);
      Matrix with(6, kOutputs, type);
      matmul.run(a, b, without, {.transpose_b = transpose_b});
      matmul.run(a, b, with, {.transpose_b = transpose_b, .plus = {&term, 1}});
      Dense<double> want = reference::dense<double>(without);
      reference::low_rank_expand_add(reference::dense<double>(h), reference::dense<double>(p), want);
      EXPECT_TRUE(near(with, want, tolerance_of(type)));
    }
  }
}

TEST(Matmul, ConvertingByPanelsEqualsConvertingTheWhole) {
  // 16 MiB of BF16 hold 4096 rows of 2048: two panels and a narrow third.
  constexpr Index kInner = 2048;
  constexpr Index kOutputs = 2 * 4096 + 100;
  Matmul matmul;
  const Matrix a = random_matrix(5, kInner, kBF16, 1);
  Matrix b(kOutputs, kInner, kF32);
  Matrix whole(kOutputs, kInner, kBF16);
  Rng rng(2);
  for (Index i = 0; i < b.size(); ++i) {
    const float value = rng.next_uniform() - 0.5F;
    b.row<float>(0)[i] = value;
    whole.row<BF16>(0)[i] = to_bf16(value);
  }
  Matrix by_panels(5, kOutputs);
  Matrix at_once(5, kOutputs);
  matmul.run(a, b, by_panels, kForward);
  matmul.run(a, whole, at_once, kForward);
  EXPECT_TRUE(near(by_panels, reference::dense<double>(at_once), {.max_rel = 1e-6, .cosine = 1e-12}));
}

TEST(Matmul, FewRowsDoNotDependOnEachOther) {
  for (const bool transpose_b : {true, false}) {
    Matmul matmul;
    const Matrix a = random_matrix(4, 131, kBF16, 1);
    const Matrix b = random_matrix(transpose_b ? 300 : 131, transpose_b ? 131 : 300, kBF16, 2);
    Matrix all(4, 300);
    matmul.run(a, b, all, {false, transpose_b, false});
    for (Index rows = 1; rows < 4; ++rows) {
      Matrix some(rows, 300);
      matmul.run(a.view().row_range(4 - rows, rows), b, some, {false, transpose_b, false});
      EXPECT_TRUE(testing::same_bits(some, all.view().row_range(4 - rows, rows))) << rows;
    }
  }
}

TEST(Matmul, ThreadsDoNotChangeTheResult) {
  for (const DType dtype : {kF32, kBF16}) {
    for (const MatmulOptions& options : {kForward, kPlainAdd, kWeightGradient}) {
      for (const Index rows : {2, 12, 96, 257}) {
        const Index inner = 1531;
        const Matrix a =
            options.transpose_a ? random_matrix(inner, rows, dtype, 1) : random_matrix(rows, inner, dtype, 1);
        const Matrix b =
            options.transpose_b ? random_matrix(259, inner, dtype, 2) : random_matrix(inner, 259, dtype, 2);
        const auto product = [&, options = options](int threads) {
          Matrix c = random_matrix(rows, 259, kF32, 3);
          omp_set_num_threads(threads);
          Matmul().run(a, b, c, options);
          return c;
        };
        const Matrix one = product(1);
        for (const int threads : {2, 3, 5}) {
          EXPECT_TRUE(testing::same_bits(one, product(threads)))
              << name_of(dtype) << " rows " << rows << " threads " << threads;
        }
      }
    }
  }
}

TEST(Matmul, AnEmptySumIsZero) {
  Matmul matmul;
  StridedMatrix c(6, 5, kBF16, 1);
  Matrix a(6, 0);
  Matrix b(5, 0);
  matmul.run(a, b, c, kForward);
  EXPECT_TRUE(near(c, Dense<double>(6, 5)));
  EXPECT_TRUE(c.surroundings_intact());
}

}  // namespace
}  // namespace lorry::ops::cpu
