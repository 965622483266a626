// Products on AMX tiles against float64, and what they promise: an element of c is the same bits whatever
// stands beside it. Skipped where the machine has no tiles.
#include "ops/cpu/tile_matmul.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <omp.h>

#include "ops/cpu/low_rank.hpp"
#include "ops/cpu/unpack.hpp"
#include "ops/reference/elementwise.hpp"
#include "ops/reference/matmul.hpp"
#include "support/near.hpp"
#include "support/random_matrix.hpp"
#include "support/random_packed.hpp"

namespace lorry::ops::cpu {
namespace {

using testing::random_matrix;
using testing::RandomPacked;
using testing::same_bits;
using testing::StridedMatrix;

/// A matrix of BF16 as a packed one, whose blocks are its numbers.
struct Plain {
  explicit Plain(Matrix from) : values(std::move(from)) {
    packed.format = BlockFormat::kBF16;
    packed.rows = values.rows();
    packed.cols = values.cols();
    packed.codes = {values.view().data, static_cast<std::size_t>(values.bytes())};
  }

  Matrix values;
  PackedMatrix packed;
};

class TileProducts : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (!amx::available()) GTEST_SKIP() << "this machine has no BF16 tiles";
  }
  [[nodiscard]] MatmulOptions options(bool accumulate = false) const {
    return {.transpose_b = GetParam(), .accumulate = accumulate};
  }
  /// [outputs, inner], or its transpose.
  [[nodiscard]] Plain weights(Index outputs, Index inner) const {
    return Plain(GetParam() ? random_matrix(outputs, inner, DType::kBF16, 2)
                            : random_matrix(inner, outputs, DType::kBF16, 2));
  }
};

TEST_P(TileProducts, MatchFloat64AtEveryEdge) {
  for (const Index inner : {32, 33, 300, 512, 550}) {
    for (const Index outputs : {32, 33, 48, 300}) {
      for (const Index rows : {1, 16, 17, 40}) {
        StridedMatrix a(rows, inner, DType::kBF16, 1);
        const Plain b = weights(outputs, inner);
        auto right = reference::dense<double>(b.values);
        if (GetParam()) right = reference::transpose(right);
        const auto product = reference::matmul(reference::dense<double>(a), right);
        for (const DType type : {DType::kF32, DType::kBF16}) {
          StridedMatrix c(rows, outputs, type, 3);
          auto want = reference::dense<double>(c);
          reference::add(product, 1.0, want);
          TileMatmul().run(a, WeightView(&b.packed), c, options(true));
          EXPECT_TRUE(testing::near(c, want, testing::tolerance_of(type)))
              << fmt::format("[{},{}] x {}", rows, inner, outputs);
          EXPECT_TRUE(c.surroundings_intact());
        }
      }
    }
  }
}

TEST_P(TileProducts, DoNotDependOnOtherRowsColumnsOrThreads) {
  const Index rows = 1100;  // two passes over b
  const Matrix a = random_matrix(rows, 1100, DType::kBF16, 1);
  const Plain b = weights(900, 1100);
  Matrix all(rows, 900);
  TileMatmul products;
  products.run(a, WeightView(&b.packed), all, options());
  const int threads = omp_get_max_threads();
  for (const int some : {1, 3}) {
    omp_set_num_threads(some);
    Matrix again(rows, 900);
    products.run(a, WeightView(&b.packed), again, options());
    EXPECT_TRUE(same_bits(all, again)) << some << " threads";
  }
  omp_set_num_threads(threads);
  Matrix part(37, 41);
  const WeightView columns =
      GetParam() ? WeightView(&b.packed).row_range(301, 41) : WeightView(&b.packed).col_range(301, 41);
  products.run(a.view().row_range(530, 37), columns, part, options());
  EXPECT_TRUE(same_bits(part, all.view().row_range(530, 37).col_range(301, 41)));
}

TEST_P(TileProducts, TakeLowRankTermsAlong) {
  const Index rows = 1100;  // two passes over b
  const Matrix a = random_matrix(rows, 300, DType::kBF16, 1);
  const Plain b = weights(900, 300);
  const Matrix h = random_matrix(rows, 5, DType::kF32, 4);
  const Matrix p = random_matrix(5, 900, DType::kF32, 5);
  const LowRankTerm term = {h, p};
  Matrix want(rows, 900), got(rows, 900);
  TileMatmul products;
  products.run(a, WeightView(&b.packed), want, options());
  low_rank_expand_add(h, p, want);
  products.run(a, WeightView(&b.packed), got, options(), {&term, 1});
  EXPECT_TRUE(same_bits(got, want));
}

TEST_P(TileProducts, PackedWeightsAreTheirNumbersInBf16) {
  for (const BlockFormat format : testing::kPackedFormats) {
    const RandomPacked packed(format, 290, testing::fitting_cols(format, 600), 3);
    Matrix numbers((*packed).rows, (*packed).cols, DType::kBF16);
    unpack(WeightView(packed), numbers);
    const Plain plain(std::move(numbers));
    const Index inner = GetParam() ? plain.packed.cols : plain.packed.rows;
    const Index outputs = GetParam() ? plain.packed.rows : plain.packed.cols;
    const Matrix a = random_matrix(50, inner, DType::kBF16, 1);
    Matrix want(50, outputs), got(50, outputs);
    TileMatmul().run(a, WeightView(&plain.packed), want, options());
    TileMatmul().run(a, WeightView(packed), got, options());
    EXPECT_TRUE(same_bits(want, got)) << facts_of(format).name;
  }
}

INSTANTIATE_TEST_SUITE_P(BothWays, TileProducts, ::testing::Bool(),
                         [](const auto& which) { return which.param ? "rows" : "columns"; });

}  // namespace
}  // namespace lorry::ops::cpu
