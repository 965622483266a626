// Products by multiply-adds against float64, and what they promise: an element of c is the same bits whatever
// stands beside it.
#include "ops/cpu/fma_matmul.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <omp.h>

#include "ops/cpu/unpack.hpp"
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
using testing::RandomPacked;
using testing::same_bits;
using testing::StridedMatrix;
using testing::tolerance_of;

struct Way {
  bool transpose_a, transpose_b;
};

class FmaProducts : public ::testing::TestWithParam<Way> {
 protected:
  [[nodiscard]] MatmulOptions options(bool accumulate = false) const {
    return {GetParam().transpose_a, GetParam().transpose_b, accumulate};
  }
  /// What a [rows, inner] or b [inner, outputs] looks like in memory.
  template <class M>
  [[nodiscard]] static M laid(bool transposed, Index rows, Index cols, DType type, std::uint64_t seed) {
    return transposed ? M(cols, rows, type, seed) : M(rows, cols, type, seed);
  }
  /// Random a and b of these sizes, laid out as they are multiplied.
  [[nodiscard]] static Matrix left(Index rows, Index inner, FmaNumbers numbers = FmaNumbers::kFloats) {
    const DType type = numbers == FmaNumbers::kPairs ? DType::kBF16 : DType::kF32;
    return GetParam().transpose_a ? random_matrix(inner, rows, type, 1) : random_matrix(rows, inner, type, 1);
  }
  /// Of floats, and of pairs where this CPU multiplies them.
  [[nodiscard]] static std::vector<FmaNumbers> some_numbers() {
    std::vector<FmaNumbers> some = {FmaNumbers::kFloats};
    if (FmaMatmul::has_pairs()) some.push_back(FmaNumbers::kPairs);
    return some;
  }
  [[nodiscard]] static Matrix right(Index inner, Index outputs) {
    return GetParam().transpose_b ? random_matrix(outputs, inner, DType::kF32, 2)
                                  : random_matrix(inner, outputs, DType::kF32, 2);
  }
  [[nodiscard]] static Matrix rounded_to_bf16(ConstMatrixView of) {
    Matrix rounded(of.rows, of.cols, DType::kBF16);
    for (Index i = 0; i < of.rows; ++i) {
      for (Index j = 0; j < of.cols; ++j) testing::put(rounded, i, j, testing::get(of, i, j));
    }
    return rounded;
  }
  /// A matrix of BF16 that is seen as [rows, cols].
  [[nodiscard]] static Matrix laid_out(bool transposed, Index rows, Index cols) {
    return transposed ? Matrix(cols, rows, DType::kBF16) : Matrix(rows, cols, DType::kBF16);
  }
  [[nodiscard]] static Dense<double> seen(ConstMatrixView view, bool transposed) {
    Dense<double> all = reference::dense<double>(view);
    return transposed ? reference::transpose(all) : all;
  }
  [[nodiscard]] WeightView columns(WeightView b, Index first, Index count) const {
    return GetParam().transpose_b ? b.row_range(first, count) : b.col_range(first, count);
  }

  /// Random a [rows, inner] and b [inner, outputs] of a type, a term beside them, and what they should give.
  struct WithTerm {
    StridedMatrix a, b, h, p;
    LowRankTerm term;
    Dense<double> sum;

    WithTerm(Index rows, Index inner, Index outputs, Index rank, DType type)
        : a(laid<StridedMatrix>(GetParam().transpose_a, rows, inner, type, 1)),
          b(laid<StridedMatrix>(GetParam().transpose_b, inner, outputs, type, 2)),
          h(rows, rank, DType::kF32, 4),
          p(rank, outputs, DType::kF32, 5),
          term{h, p},
          sum(reference::matmul(seen(a, GetParam().transpose_a), seen(b, GetParam().transpose_b))) {
      reference::low_rank_expand_add(reference::dense<double>(h), reference::dense<double>(p), sum);
    }
  };
};

TEST_P(FmaProducts, MatchFloat64AtEveryEdge) {
  for (const Index inner : {1, 33, 256, 300}) {
    for (const Index outputs : {1, 17, 64, 300}) {
      for (const Index rows : {1, 6, 17, 67}) {
        auto a = laid<StridedMatrix>(GetParam().transpose_a, rows, inner, DType::kF32, 1);
        auto b = laid<StridedMatrix>(GetParam().transpose_b, inner, outputs, DType::kF32, 2);
        const Dense<double> product =
            reference::matmul(seen(a, GetParam().transpose_a), seen(b, GetParam().transpose_b));
        for (const DType type : {DType::kF32, DType::kBF16}) {
          for (const bool accumulate : {false, true}) {
            StridedMatrix c(rows, outputs, type, 3);
            Dense<double> want = product;
            if (accumulate) reference::add(reference::dense<double>(c), 1.0, want);
            FmaMatmul().run(a, ConstMatrixView(b), c, options(accumulate), FmaNumbers::kFloats);
            EXPECT_TRUE(near(c, want, tolerance_of(type)))
                << fmt::format("[{},{}] x {}", rows, inner, outputs);
            EXPECT_TRUE(c.surroundings_intact());
          }
        }
      }
    }
  }
}

/// How [rows, inner] and [inner, outputs] of BF16 are multiplied in pairs, at sizes where pairs, strips and
/// stretches end early.
TEST_P(FmaProducts, OfPairsMatchFloat64AtEveryEdge) {
  if (!FmaMatmul::has_pairs()) GTEST_SKIP() << "this CPU has no products of BF16";
  for (const Index inner : {1, 2, 33, 256, 301}) {
    for (const Index outputs : {1, 17, 64, 300}) {
      for (const Index rows : {1, 6, 17, 67}) {
        for (const DType weights : {DType::kBF16, DType::kF32}) {
          auto a = laid<StridedMatrix>(GetParam().transpose_a, rows, inner, DType::kBF16, 1);
          auto b = laid<StridedMatrix>(GetParam().transpose_b, inner, outputs, weights, 2);
          const Dense<double> product = reference::matmul(seen(a, GetParam().transpose_a),
                                                          seen(rounded_to_bf16(b), GetParam().transpose_b));
          StridedMatrix c(rows, outputs, weights, 3);
          Dense<double> want = product;
          reference::add(reference::dense<double>(c), 1.0, want);
          FmaMatmul().run(a, ConstMatrixView(b), c, options(true), FmaNumbers::kPairs);
          EXPECT_TRUE(near(c, want, tolerance_of(weights)))
              << fmt::format("[{},{}] x {}", rows, inner, outputs);
          EXPECT_TRUE(c.surroundings_intact());
        }
      }
    }
  }
}

TEST_P(FmaProducts, OfPairsAreExactWhereSumsAre) {
  if (!FmaMatmul::has_pairs()) GTEST_SKIP() << "this CPU has no products of BF16";
  // Small whole numbers: no sum is rounded, whatever its order.
  constexpr Index kRows = 70, kInner = 2051, kOutputs = 130;
  const auto fill = [](Matrix& of, int seed) {
    for (Index i = 0; i < of.rows(); ++i) {
      for (Index j = 0; j < of.cols(); ++j)
        testing::put(of, i, j, static_cast<double>((i * 7 + j * seed) % 9 - 4));
    }
  };
  auto a = laid_out(GetParam().transpose_a, kRows, kInner);
  auto b = laid_out(GetParam().transpose_b, kInner, kOutputs);
  fill(a, 5);
  fill(b, 11);
  Matrix floats(kRows, kOutputs), pairs(kRows, kOutputs);
  FmaMatmul().run(a, b, floats, options(), FmaNumbers::kFloats);
  FmaMatmul().run(a, b, pairs, options(), FmaNumbers::kPairs);
  EXPECT_TRUE(same_bits(floats, pairs));
}

TEST_P(FmaProducts, TakeALowRankTermAlong) {
  constexpr Index kInner = 270;
  for (const Index rank : {1, 8, 300}) {
    for (const Index outputs : {17, 300}) {
      for (const Index rows : {6, 67, 600}) {
        WithTerm of(rows, kInner, outputs, rank, DType::kF32);
        for (const bool accumulate : {false, true}) {
          const DType type = rank == 8 ? DType::kBF16 : DType::kF32;
          StridedMatrix c(rows, outputs, type, 3);
          Dense<double> want = of.sum;
          if (accumulate) reference::add(reference::dense<double>(c), 1.0, want);
          FmaMatmul().run(of.a, ConstMatrixView(of.b), c, options(accumulate), FmaNumbers::kFloats,
                          {&of.term, 1});
          EXPECT_TRUE(near(c, want, tolerance_of(type)))
              << fmt::format("[{},{}] x {}, rank {}", rows, kInner, outputs, rank);
          EXPECT_TRUE(c.surroundings_intact());
        }
      }
    }
  }
}

TEST_P(FmaProducts, OfPairsTakeATermOfAnyRankAlong) {
  if (!FmaMatmul::has_pairs()) GTEST_SKIP() << "this CPU has no products of BF16";
  // The rank is far more than the inputs, and the other way round: both have stretches of their own.
  for (const Index inner : {33, 1100}) {
    for (const Index rank : {8, 300}) {
      constexpr Index kRows = 67, kOutputs = 300;
      WithTerm of(kRows, inner, kOutputs, rank, DType::kBF16);
      StridedMatrix c(kRows, kOutputs, DType::kF32, 3);
      FmaMatmul().run(of.a, ConstMatrixView(of.b), c, options(), FmaNumbers::kPairs, {&of.term, 1});
      EXPECT_TRUE(near(c, of.sum, tolerance_of(DType::kF32)))
          << fmt::format("{} inputs, rank {}", inner, rank);
      EXPECT_TRUE(c.surroundings_intact());
    }
  }
}

TEST_P(FmaProducts, AreTheSameBesideAnUpdateOfZeros) {
  for (const FmaNumbers numbers : some_numbers()) {
    const Matrix a = left(33, 300, numbers);
    const Matrix b = right(300, 90);
    const Matrix h = random_matrix(33, 8, DType::kF32, 3);
    Matrix p(8, 90), alone(33, 90), beside(33, 90);
    p.fill_zero();
    FmaMatmul().run(a, b, alone, options(), numbers);
    const LowRankTerm term = {h, p};
    FmaMatmul().run(a, b, beside, options(), numbers, {&term, 1});
    EXPECT_TRUE(same_bits(alone, beside));
  }
}

TEST_P(FmaProducts, AddTermsAsOneStackedTerm) {
  const Matrix a = left(33, 300);
  const Matrix b = right(300, 90);
  const Matrix h = random_matrix(33, 11, DType::kF32, 3);
  const Matrix p = random_matrix(11, 90, DType::kF32, 4);
  const LowRankTerm stacked = {h, p};
  const LowRankTerm apart[] = {{h.view().col_range(0, 4), p.view().row_range(0, 4)},
                               {h.view().col_range(4, 7), p.view().row_range(4, 7)}};
  Matrix want = random_matrix(33, 90, DType::kF32, 5);
  Matrix got = random_matrix(33, 90, DType::kF32, 5);
  FmaMatmul().run(a, b, want, options(true), FmaNumbers::kFloats, {&stacked, 1});
  FmaMatmul().run(a, b, got, options(true), FmaNumbers::kFloats, apart);
  EXPECT_TRUE(same_bits(want, got));
}

TEST_P(FmaProducts, DoNotDependOnOtherRowsColumnsOrThreads) {
  constexpr Index kRows = 600;  // two passes over b
  constexpr Index kInner = 700;
  constexpr Index kOutputs = 900;
  const bool across = GetParam().transpose_a;
  const Matrix b = right(kInner, kOutputs);
  for (const FmaNumbers numbers : some_numbers()) {
    const Matrix a = left(kRows, kInner, numbers);
    Matrix all(kRows, kOutputs);
    FmaMatmul products;
    products.run(a, b, all, options(), numbers);
    const int threads = omp_get_max_threads();
    for (const int some : {1, 3}) {
      omp_set_num_threads(some);
      Matrix again(kRows, kOutputs);
      products.run(a, b, again, options(), numbers);
      EXPECT_TRUE(same_bits(all, again)) << some << " threads";
    }
    omp_set_num_threads(threads);
    Matrix part(37, 41);
    const ConstMatrixView rows = across ? a.view().col_range(301, 37) : a.view().row_range(301, 37);
    products.run(rows, columns(b, 555, 41), part, options(), numbers);
    EXPECT_TRUE(same_bits(part, all.view().row_range(301, 37).col_range(555, 41)));
  }
}

TEST_P(FmaProducts, PackedWeightsAreTheirNumbers) {
  for (const BlockFormat format : testing::kPackedFormats) {
    const RandomPacked packed(format, 290, testing::fitting_cols(format, 600), 3);
    const WeightView weights(packed);
    for (const DType type : {DType::kF32, DType::kBF16}) {
      Matrix numbers(weights.rows, weights.cols, type);
      unpack(weights, numbers);
      const Index inner = GetParam().transpose_b ? weights.cols : weights.rows;
      const Index outputs = GetParam().transpose_b ? weights.rows : weights.cols;
      for (const FmaNumbers by : some_numbers()) {
        const bool pairs = by == FmaNumbers::kPairs;
        if (pairs && type != DType::kBF16) continue;
        const Matrix a = left(50, inner, by);
        Matrix want(50, outputs), got(50, outputs);
        FmaMatmul().run(a, numbers, want, options(), by);
        const bool round = type == DType::kBF16 && !pairs;
        FmaMatmul().run(a, weights, got, options(), round ? FmaNumbers::kRoundedWeights : by);
        EXPECT_TRUE(same_bits(want, got)) << facts_of(format).name;
      }
    }
  }
}

TEST_P(FmaProducts, TakeEveryTypeAndRoundWeightsIfAsked) {
  for (const DType type_a : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const DType type_b : {DType::kF32, DType::kF16, DType::kBF16}) {
      auto a = laid<StridedMatrix>(GetParam().transpose_a, 40, 70, type_a, 1);
      auto b = laid<StridedMatrix>(GetParam().transpose_b, 70, 50, type_b, 2);
      const ConstMatrixView weights(b);
      const Matrix rounded = rounded_to_bf16(weights);
      const Dense<double> left = seen(a, GetParam().transpose_a);
      Matrix plain(40, 50), of_rounded(40, 50);
      FmaMatmul().run(a, weights, plain, options(), FmaNumbers::kFloats);
      FmaMatmul().run(a, weights, of_rounded, options(), FmaNumbers::kRoundedWeights);
      EXPECT_TRUE(near(plain, reference::matmul(left, seen(weights, GetParam().transpose_b))));
      EXPECT_TRUE(near(of_rounded, reference::matmul(left, seen(rounded, GetParam().transpose_b))));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(AllWays, FmaProducts,
                         ::testing::Values(Way{false, true}, Way{false, false}, Way{true, false},
                                           Way{true, true}),
                         [](const auto& way) {
                           return fmt::format("{}{}", way.param.transpose_a ? "Across" : "Along",
                                              way.param.transpose_b ? "Rows" : "Columns");
                         });

}  // namespace
}  // namespace lorry::ops::cpu
