// How products are cut into pieces, and which of them are foreseen.
#include "ops/cpu/panel_product.hpp"

#include <gtest/gtest.h>

namespace lorry::ops::cpu {
namespace {

/// Outside of a parallel loop, so on one thread: 300 columns, 100 at a time, and K of 600 in stretches of
/// 256.
class PanelPieces : public ::testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] PanelProduct product() {
    return {a_, ConstMatrixView(b_), c_, MatmulOptions{.transpose_b = GetParam()}};
  }
  /// Where in b a piece begins, [row, col] of op(b).
  [[nodiscard]] std::pair<Index, Index> place(const WeightView& piece) const {
    const Index at = (piece.dense.data - b_.view().data) / size_of(DType::kF32);
    const Index row = at / b_.cols(), col = at % b_.cols();
    return GetParam() ? std::pair(col, row) : std::pair(row, col);
  }

  Matrix a_{7, 600};
  Matrix b_{GetParam() ? 300 : 600, GetParam() ? 600 : 300};
  Matrix c_{7, 300};
};

TEST_P(PanelPieces, ComingOnesAreTheNextStretchThenTheNextColumns) {
  EXPECT_EQ(place(product().coming(0, 100, 0)), std::pair(Index{256}, Index{0}));
  EXPECT_EQ(place(product().coming(0, 100, 1)), std::pair(Index{512}, Index{0}));
  const WeightView next = product().coming(0, 100, 2);
  EXPECT_EQ(place(next), std::pair(Index{0}, Index{100}));
  EXPECT_EQ(next.rows * next.cols, 256 * 100);
  const WeightView last = product().coming(0, 200, 2);
  EXPECT_EQ(last.rows * last.cols, 256 * 100) << "fewer are left";
}

TEST_P(PanelPieces, NothingComesAfterTheLastOne) {
  const WeightView none = product().coming(200, 100, 2);
  EXPECT_EQ(none.rows * none.cols, 0);
}

INSTANTIATE_TEST_SUITE_P(BothWays, PanelPieces, ::testing::Bool(),
                         [](const auto& way) { return way.param ? "RowsOfWeights" : "ColumnsOfWeights"; });

}  // namespace
}  // namespace lorry::ops::cpu
