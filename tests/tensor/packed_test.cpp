// Parts of rows, rows in another order, and names of the formats; their digits are packed_golden_test's.
#include "tensor/packed.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "support/random_packed.hpp"

namespace lorry {
namespace {

using testing::fitting_cols;
using testing::kPackedFormats;
using testing::RandomPacked;

std::vector<float> row_of(const PackedMatrix& matrix, Index row, Index first, Index count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  unpack_row(matrix, row, first, count, values.data());
  return values;
}

TEST(Packed, APartOfARowIsThatPartOfTheWhole) {
  for (const BlockFormat format : kPackedFormats) {
    const Index cols = fitting_cols(format, 300);
    RandomPacked packed(format, 3, cols, 1);
    for (Index row = 0; row < 3; ++row) {
      const std::vector<float> all = row_of(packed.matrix(), row, 0, cols);
      for (const Index first : {Index{0}, Index{1}, Index{31}, Index{64}, Index{255}, cols - 1}) {
        for (const Index count : {Index{0}, Index{1}, Index{33}, cols - first}) {
          if (first + count > cols) continue;
          const std::vector<float> part = row_of(packed.matrix(), row, first, count);
          for (Index i = 0; i < count; ++i) {
            EXPECT_EQ(part[static_cast<std::size_t>(i)], all[static_cast<std::size_t>(first + i)])
                << facts_of(format).name << " from " << first << " element " << i;
          }
        }
      }
    }
  }
}

TEST(Packed, RowsOfInterleavedHeadsLieAsLlamaCppTurnsThem) {
  // convert_hf_to_gguf.py's permute: reshape(heads, 2, half, cols).swapaxes(1, 2), so the file has row 0, row
  // half, row 1, row half + 1, ... of each head.
  constexpr Index kHead = 6;
  for (const BlockFormat format : {BlockFormat::kF32, BlockFormat::kQ8_0, BlockFormat::kNf4}) {
    RandomPacked packed(format, 2 * kHead, 64, 1);
    PackedMatrix turned = packed.matrix();
    turned.interleaved_head = kHead;
    for (Index head = 0; head < 2; ++head) {
      for (Index i = 0; i < kHead / 2; ++i) {
        const Index first = head * kHead;
        EXPECT_EQ(row_of(turned, first + i, 0, 64), row_of(packed.matrix(), first + 2 * i, 0, 64));
        EXPECT_EQ(row_of(turned, first + kHead / 2 + i, 0, 64),
                  row_of(packed.matrix(), first + 2 * i + 1, 0, 64));
      }
    }
  }
}

TEST(Packed, EveryFormatIsFoundByItsName) {
  for (const BlockFormat format : kPackedFormats) {
    EXPECT_EQ(block_format_from_name(facts_of(format).name), format);
  }
  EXPECT_EQ(block_format_from_name("Q9_K"), std::nullopt);
  EXPECT_EQ(block_format_from_name("q4_k"), std::nullopt);
}

}  // namespace
}  // namespace lorry
