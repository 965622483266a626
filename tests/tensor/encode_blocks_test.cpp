// Encoding into GGUF's blocks against the gguf package, to the bit, and against what llama.cpp's searches
// lose: tests/golden/packed/encoded.safetensors, by scripts/golden/encoded.py.
#include "tensor/encode_blocks.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "io/safetensors.hpp"
#include "support/golden_folder.hpp"

namespace lorry {
namespace {

const io::SafetensorsFile& encoded() {
  static const io::SafetensorsFile file(golden_folder() / "packed/encoded.safetensors");
  return file;
}

std::vector<float> values_of(const std::string& name) {
  const std::span<const std::byte> bytes = encoded().at(name).bytes;
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::vector<std::byte> encode(BlockFormat format, std::span<const float> values) {
  const BlockFacts& facts = facts_of(format);
  std::vector<std::byte> blocks(values.size() / static_cast<std::size_t>(facts.elements) *
                                static_cast<std::size_t>(facts.bytes));
  encode_blocks(format, values, blocks.data());
  return blocks;
}

std::vector<float> unpack(BlockFormat format, std::span<const std::byte> blocks) {
  const BlockFacts& facts = facts_of(format);
  PackedMatrix matrix;
  matrix.format = format;
  matrix.rows = 1;
  matrix.cols = std::ssize(blocks) / facts.bytes * facts.elements;
  matrix.codes = blocks;
  std::vector<float> values(static_cast<std::size_t>(matrix.cols));
  unpack_row(matrix, 0, 0, matrix.cols, values.data());
  return values;
}

double rms_between(std::span<const float> a, std::span<const float> b) {
  double squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    squares += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
  }
  return std::sqrt(squares / static_cast<double>(a.size()));
}

class EncodeBlocks : public ::testing::TestWithParam<BlockFormat> {
 protected:
  [[nodiscard]] static std::string name() { return std::string(facts_of(GetParam()).name); }
};

class EncodeByFormula : public EncodeBlocks {};
INSTANTIATE_TEST_SUITE_P(All, EncodeByFormula,
                         ::testing::Values(BlockFormat::kF32, BlockFormat::kF16, BlockFormat::kBF16,
                                           BlockFormat::kQ4_0, BlockFormat::kQ4_1, BlockFormat::kQ5_0,
                                           BlockFormat::kQ5_1, BlockFormat::kQ8_0),
                         [](const auto& test) { return std::string(facts_of(test.param).name); });

TEST_P(EncodeByFormula, BytesAreThoseOfTheGgufPackage) {
  for (const std::string one : {"normal", "heavy", "shifted", "uniform", "odd"}) {
    const std::vector<std::byte> got = encode(GetParam(), values_of(one + ".values"));
    const std::span<const std::byte> want = encoded().at(one + "." + name()).bytes;
    ASSERT_EQ(got.size(), want.size());
    EXPECT_TRUE(std::equal(got.begin(), got.end(), want.begin())) << one;
  }
}

class EncodeBySearch : public EncodeBlocks {};
INSTANTIATE_TEST_SUITE_P(All, EncodeBySearch,
                         ::testing::Values(BlockFormat::kQ2_K, BlockFormat::kQ3_K, BlockFormat::kQ4_K,
                                           BlockFormat::kQ5_K, BlockFormat::kQ6_K, BlockFormat::kIQ4_NL),
                         [](const auto& test) { return std::string(facts_of(test.param).name); });

TEST_P(EncodeBySearch, LosesNoMoreThanLlamaCpp) {
  for (const std::string one : {"normal", "heavy", "shifted", "uniform"}) {
    const std::vector<float> values = values_of(one + ".values");
    const double lost = rms_between(unpack(GetParam(), encode(GetParam(), values)), values);
    const auto theirs = static_cast<double>(values_of(one + "." + name() + ".rms").front());
    EXPECT_LE(lost, theirs) << one;
    EXPECT_GT(lost, 0.5 * theirs) << one << ": too good to be true";
  }
}

/// A second rounding of the same numbers loses little beside the first, since the search finds most of the
/// scales again.
TEST_P(EncodeBySearch, WhatWasUnpackedIsFoundAgain) {
  for (const std::string one : {"normal", "heavy", "shifted", "uniform"}) {
    const std::vector<float> values = values_of(one + ".values");
    const std::vector<float> once = unpack(GetParam(), encode(GetParam(), values));
    const std::vector<float> twice = unpack(GetParam(), encode(GetParam(), once));
    EXPECT_LE(rms_between(twice, once), 0.2 * rms_between(once, values)) << one;
  }
}

TEST_P(EncodeBySearch, ZerosStayZerosAndOddNumbersStayNear) {
  EXPECT_EQ(unpack(GetParam(), encode(GetParam(), std::vector<float>(256))), std::vector<float>(256));
  const std::vector<float> odd = values_of("odd.values");
  const std::vector<float> got = unpack(GetParam(), encode(GetParam(), odd));
  // A step of two bits is a third of the range; 1e-7 of a float16 scale is rounded in its few last digits.
  for (std::size_t i = 0; i < odd.size(); ++i) {
    const std::size_t row = i / 256;
    const float range = row == 0 ? 16.0F : row == 1 ? 4e-6F : 5e4F;
    ASSERT_NEAR(got[i], odd[i], 0.2F * range) << i;
  }
}

class EncodeAll : public EncodeBlocks {};
INSTANTIATE_TEST_SUITE_P(All, EncodeAll,
                         ::testing::Values(BlockFormat::kF16, BlockFormat::kBF16, BlockFormat::kQ4_0,
                                           BlockFormat::kQ4_1, BlockFormat::kQ5_0, BlockFormat::kQ5_1,
                                           BlockFormat::kQ8_0, BlockFormat::kQ2_K, BlockFormat::kQ3_K,
                                           BlockFormat::kQ4_K, BlockFormat::kQ5_K, BlockFormat::kQ6_K,
                                           BlockFormat::kIQ4_NL),
                         [](const auto& test) { return std::string(facts_of(test.param).name); });

TEST_P(EncodeAll, WhatIsNotFiniteOrTooLargeIsNotFiniteAfterwards) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 3e38F}) {
    if (bad == 3e38F && GetParam() == BlockFormat::kBF16) continue;  // which holds it
    std::vector<float> values(256, 0.5F);
    values[100] = bad;
    values[101] = -0.25F;
    const std::vector<float> got = unpack(GetParam(), encode(GetParam(), values));
    double sum = 0;
    for (const float value : got) sum += std::abs(static_cast<double>(value));
    EXPECT_FALSE(std::isfinite(sum)) << bad;
  }
}

}  // namespace
}  // namespace lorry
