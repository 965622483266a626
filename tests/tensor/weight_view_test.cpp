// Dense and packed weights borrowed in one way.
#include "tensor/weight_view.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "support/random_matrix.hpp"
#include "support/random_packed.hpp"

namespace lorry {
namespace {

using testing::random_matrix;
using testing::RandomPacked;

std::vector<float> row_of(const WeightView& view, Index row) {
  std::vector<float> values(static_cast<std::size_t>(view.cols));
  view.read_row(row, values.data());
  return values;
}

/// A part of a part, row by row, against the rows of the whole.
void expect_parts(const WeightView& whole) {
  const WeightView part = whole.row_range(2, 5).col_range(3, 60).row_range(1, 3).col_range(7, 40);
  EXPECT_EQ(part.rows, 3);
  EXPECT_EQ(part.cols, 40);
  for (Index i = 0; i < part.rows; ++i) {
    const std::vector<float> all = row_of(whole, 3 + i);
    EXPECT_EQ(row_of(part, i), std::vector<float>(all.begin() + 10, all.begin() + 50)) << part.type_name();
  }
}

TEST(WeightView, PartsOfPartsHoldTheRightElements) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    const Matrix matrix = random_matrix(8, 96, dtype, 1);
    expect_parts(matrix.view());
  }
  for (const BlockFormat format : {BlockFormat::kQ8_0, BlockFormat::kNf4, BlockFormat::kInt8}) {
    const RandomPacked packed(format, 8, 96, 1);
    expect_parts(WeightView(packed));
  }
}

TEST(WeightView, SaysWhatItIs) {
  const Matrix matrix = random_matrix(4, 64, DType::kBF16, 1);
  const WeightView dense = matrix.view();
  EXPECT_FALSE(dense.is_packed());
  EXPECT_TRUE(dense.is(DType::kBF16));
  EXPECT_EQ(dense.bytes(), 4 * 64 * 2);
  EXPECT_EQ(dense.type_name(), "BF16");

  const RandomPacked blocks(BlockFormat::kQ8_0, 4, 64, 1);
  const WeightView packed{static_cast<const PackedMatrix*>(blocks)};
  EXPECT_TRUE(packed.is_packed());
  EXPECT_FALSE(packed.empty());
  EXPECT_FALSE(packed.is(DType::kBF16));
  EXPECT_EQ(packed.bytes(), 4 * 2 * 34);
  EXPECT_EQ(packed.row_range(1, 2).bytes(), 2 * 2 * 34);
  EXPECT_EQ(packed.type_name(), "Q8_0");
  EXPECT_TRUE(WeightView().empty());
}

}  // namespace
}  // namespace lorry
