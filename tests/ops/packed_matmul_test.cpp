// Products with packed weights against products with the same weights unpacked beforehand: the same bits
// where few rows are multiplied, else the same but for the order of sums, and the same bits whatever the
// threads.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <array>

#include "ops/cpu/matmul.hpp"
#include "ops/cpu/unpack.hpp"
#include "ops/reference/elementwise.hpp"
#include "support/near.hpp"
#include "support/random_matrix.hpp"
#include "support/random_packed.hpp"

namespace lorry::ops::cpu {
namespace {

using testing::fitting_cols;
using testing::random_matrix;
using testing::RandomPacked;
using testing::same_bits;
using testing::StridedMatrix;

/// c = op(a) op(b) or c += ... on so many threads, from a c that is always the same.
struct Product {
  DType type_a, type_c;
  bool transpose_b, accumulate;
  Index rows;

  [[nodiscard]] StridedMatrix run(WeightView b, int threads) const {
    const Index inner = transpose_b ? b.cols : b.rows;
    const Index outputs = transpose_b ? b.rows : b.cols;
    StridedMatrix a(rows, inner, type_a, 1);
    StridedMatrix c(rows, outputs, type_c, 2);
    omp_set_num_threads(threads);
    Matmul().run(a, b, c, {.transpose_b = transpose_b, .accumulate = accumulate});
    EXPECT_TRUE(c.surroundings_intact());
    return c;
  }
};

/// The kinds of product that a pass makes, and others.
constexpr std::array kKinds = {
    Product{DType::kBF16, DType::kBF16, true, false, 0}, Product{DType::kBF16, DType::kF32, true, true, 0},
    Product{DType::kBF16, DType::kF32, false, true, 0},  Product{DType::kBF16, DType::kBF16, false, false, 0},
    Product{DType::kF32, DType::kF32, true, false, 0},   Product{DType::kF32, DType::kF32, false, true, 0},
    Product{DType::kF32, DType::kBF16, true, true, 0},
};

void expect_same_as_dense(WeightView b, Index rows) {
  for (Product product : kKinds) {
    product.rows = rows;
    Matrix dense(b.rows, b.cols, product.type_a);
    unpack(b, dense);
    const int threads = omp_get_max_threads();
    StridedMatrix want = product.run(dense.view(), 1);
    StridedMatrix got = product.run(b, 1);
    const auto name = [&](const char* what) {
      return fmt::format("{}: {} [{},{}] rows {} {} {} to {}", what, b.type_name(), b.rows, b.cols, rows,
                         name_of(product.type_a), product.transpose_b ? "b^T" : "b", name_of(product.type_c));
    };
    if (rows <= 4) {
      EXPECT_TRUE(same_bits(want.view(), got.view())) << name("dense");
    } else {
      EXPECT_TRUE(testing::near(got, reference::dense<double>(want), testing::tolerance_of(product.type_c)))
          << name("dense");
    }
    for (const int some : {2, 5}) {
      StridedMatrix again = product.run(b, some);
      EXPECT_TRUE(same_bits(got.view(), again.view())) << name("threads") << " threads " << some;
    }
    omp_set_num_threads(threads);
  }
}

TEST(PackedMatmul, EqualsTheDenseProductInEveryFormat) {
  for (const BlockFormat format : testing::kPackedFormats) {
    const RandomPacked packed(format, 131, fitting_cols(format, 200), 3);
    for (const Index rows : {3, 21}) expect_same_as_dense(WeightView(packed), rows);
  }
}

TEST(PackedMatmul, WideMatrices) {
  for (const BlockFormat format : {BlockFormat::kQ4_K, BlockFormat::kNf4}) {
    const RandomPacked packed(format, 1100, 1280, 3);
    for (const Index rows : {4, 96, 257}) expect_same_as_dense(WeightView(packed), rows);
  }
}

TEST(PackedMatmul, PartsOfAMatrix) {
  for (const BlockFormat format : {BlockFormat::kQ6_K, BlockFormat::kNf4, BlockFormat::kInt8}) {
    const RandomPacked packed(format, 900, 1280, 4);
    const WeightView whole(packed);
    expect_same_as_dense(whole.row_range(7, 803).col_range(3, 1001), 33);
    expect_same_as_dense(whole.row_range(64, 5).col_range(256, 1024), 2);
    expect_same_as_dense(whole.row_range(1, 898).col_range(1279, 1), 12);
  }
}

TEST(PackedMatmul, FewRowsDoNotDependOnEachOther) {
  const RandomPacked packed(BlockFormat::kQ5_K, 300, 512, 1);
  for (const bool transpose_b : {true, false}) {
    const Matrix a = random_matrix(4, transpose_b ? 512 : 300, DType::kBF16, 1);
    Matrix all(4, transpose_b ? 300 : 512);
    Matmul().run(a, WeightView(packed), all, {.transpose_b = transpose_b});
    for (Index rows = 1; rows <= 4; ++rows) {
      Matrix some(rows, all.cols());
      Matmul().run(a.view().row_range(4 - rows, rows), WeightView(packed), some,
                   {.transpose_b = transpose_b});
      EXPECT_TRUE(same_bits(some, all.view().row_range(4 - rows, rows))) << rows;
      Matrix dense(300, 512, DType::kBF16);
      unpack(WeightView(packed), dense);
      Matrix want(rows, all.cols());
      Matmul().run(a.view().row_range(4 - rows, rows), dense, want, {.transpose_b = transpose_b});
      EXPECT_TRUE(same_bits(some, want)) << rows;
    }
  }
}

}  // namespace
}  // namespace lorry::ops::cpu
