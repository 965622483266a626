// Panels of packed weights against tensor/packed's row by row, on every instruction set, to the bit.
#include "ops/cpu/unpack.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "support/instruction_sets.hpp"
#include "support/random_matrix.hpp"
#include "support/random_packed.hpp"

namespace lorry::ops::cpu {
namespace {

using testing::fitting_cols;
using testing::kPackedFormats;
using testing::RandomPacked;
using testing::StridedMatrix;

/// All numbers that are none made one: their bits are nobody's promise.
void unify_nans(MatrixView view) {
  for (Index i = 0; i < view.rows; ++i) {
    for (Index j = 0; j < view.cols; ++j) {
      if (std::isnan(testing::get(view, i, j)))
        testing::put(view, i, j, std::numeric_limits<float>::quiet_NaN());
    }
  }
}

/// What unpack promises.
void expect_unpacked(WeightView view, DType dtype) {
  StridedMatrix want(view.rows, view.cols, dtype);
  for (Index i = 0; i < view.rows; ++i) {
    std::vector<float> row(static_cast<std::size_t>(view.cols));
    view.read_row(i, row.data());
    for (Index j = 0; j < view.cols; ++j) testing::put(want.view(), i, j, row[static_cast<std::size_t>(j)]);
  }
  StridedMatrix serial(view.rows, view.cols, dtype);
  StridedMatrix parallel(view.rows, view.cols, dtype);
  unpack_serial(view, serial);
  unpack(view, parallel);
  for (StridedMatrix* matrix : {&want, &serial, &parallel}) unify_nans(*matrix);
  EXPECT_TRUE(testing::same_bits(want.view(), serial.view())) << view.type_name() << " " << name_of(dtype);
  EXPECT_TRUE(testing::same_bits(want.view(), parallel.view())) << view.type_name();
  EXPECT_TRUE(serial.surroundings_intact() && parallel.surroundings_intact());
}

void expect_parts_unpacked(const PackedMatrix& matrix) {
  const WeightView whole(&matrix);
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    expect_unpacked(whole, dtype);
    expect_unpacked(whole.row_range(1, 2), dtype);
    for (const Index first : {Index{0}, Index{1}, Index{37}, Index{64}, Index{256}, matrix.cols - 1}) {
      for (const Index count : {Index{1}, Index{31}, Index{129}, matrix.cols - first}) {
        if (first < matrix.cols && first + count <= matrix.cols)
          expect_unpacked(whole.col_range(first, count), dtype);
      }
    }
  }
}

TEST(Unpack, EveryFormatAndPartHasTheBitsOfTheReference) {
  testing::for_each_instruction_set([] {
    for (const BlockFormat format : kPackedFormats) {
      const RandomPacked packed(format, 3, fitting_cols(format, 512), 7);
      expect_parts_unpacked(*packed);
    }
  });
}

TEST(Unpack, Nf4WhoseBlocksCrossRowsAndWhoseLastOneIsShort) {
  testing::for_each_instruction_set([] {
    for (const Index cols : {1, 31, 63, 65, 299}) {
      for (const bool nested : {false, true}) {
        const RandomPacked packed(BlockFormat::kNf4, 3, cols, 1, nested);
        expect_parts_unpacked(*packed);
      }
    }
    const RandomPacked nested(BlockFormat::kNf4, 70, 300, 2, true);  // two blocks of scales
    expect_unpacked(WeightView(nested), DType::kBF16);
  });
}

TEST(Unpack, Int8RowsOfOddLengths) {
  testing::for_each_instruction_set([] {
    for (const Index cols : {1, 15, 17, 33, 67})
      expect_parts_unpacked(*RandomPacked(BlockFormat::kInt8, 3, cols, 1));
  });
}

TEST(Unpack, InterleavedHeadsAreUnpackedInTheirOrder) {
  RandomPacked packed(BlockFormat::kQ4_K, 16, 256, 1);
  packed.matrix().interleaved_head = 8;
  expect_unpacked(WeightView(packed), DType::kBF16);
  expect_unpacked(WeightView(packed).row_range(3, 7), DType::kBF16);
}

TEST(Unpack, ExtremeScalesRoundAsTheReferenceDoes) {
  // Subnormal, largest, infinite and no number at all; NF4's and int8's scales may be any float.
  for (const std::uint16_t bits : {0x0001, 0x83ff, 0x7bff, 0x7c00, 0xfe01, 0x7d55, 0x7fff, 0xffff}) {
    for (const BlockFormat format : {BlockFormat::kQ4_0, BlockFormat::kQ4_1, BlockFormat::kQ8_0,
                                     BlockFormat::kQ4_K, BlockFormat::kQ5_K, BlockFormat::kIQ4_NL}) {
      RandomPacked packed(format, 1, fitting_cols(format, 64), 1);
      std::vector<std::byte> codes(packed->codes.begin(), packed->codes.end());
      std::memcpy(codes.data(), &bits, sizeof(bits));
      packed.matrix().codes = codes;
      testing::for_each_instruction_set([&] { expect_unpacked(WeightView(packed), DType::kBF16); });
    }
  }
  for (const float absmax : {1e-45F, 1e-39F, 3e38F, -0.0F, std::bit_cast<float>(0x7fffffffU)}) {
    RandomPacked nf4(BlockFormat::kNf4, 1, 64, 1);
    std::get<Nf4Scales>(nf4.matrix().scales).absmax = &absmax;
    RandomPacked int8(BlockFormat::kInt8, 1, 64, 1);
    int8.matrix().scales = RowScales{&absmax};
    testing::for_each_instruction_set([&] {
      expect_unpacked(WeightView(nf4), DType::kBF16);
      expect_unpacked(WeightView(int8), DType::kF32);
    });
  }
}

}  // namespace
}  // namespace lorry::ops::cpu
