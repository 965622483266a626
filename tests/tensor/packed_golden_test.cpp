// Every packed format against the numbers that the gguf package and bitsandbytes make of the same bytes, to
// the bit: tests/golden/packed, by scripts/golden/packed.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <vector>

#include "io/safetensors.hpp"
#include "support/golden_folder.hpp"
#include "tensor/packed.hpp"

namespace lorry {
namespace {

const io::SafetensorsFile& reference() {
  static const io::SafetensorsFile file(golden_folder() / "packed/reference.safetensors");
  return file;
}

template <class T>
std::vector<T> numbers(const std::string& name) {
  const std::span<const std::byte> bytes = reference().at(name).bytes;
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

/// The bits of both, so that -0 differs from 0, and every row's name where they do.
void expect_row(const PackedMatrix& matrix, Index row, const float* want) {
  std::vector<float> got(static_cast<std::size_t>(matrix.cols));
  unpack_row(matrix, row, 0, matrix.cols, got.data());
  for (Index j = 0; j < matrix.cols; ++j) {
    EXPECT_EQ(std::bit_cast<std::uint32_t>(got[static_cast<std::size_t>(j)]),
              std::bit_cast<std::uint32_t>(want[j]))
        << facts_of(matrix.format).name << " row " << row << " column " << j << ": "
        << got[static_cast<std::size_t>(j)] << " for " << want[j];
  }
}

/// All rows of `<case>.values`, or only its first and last ones where the golden file has no others.
void expect_values(const PackedMatrix& matrix, const std::string& of) {
  const std::vector<float> want = numbers<float>(of + ".values");
  const Index stored = reference().at(of + ".values").shape[0];
  const Index head = stored == matrix.rows ? stored : stored / 2;
  for (Index i = 0; i < stored; ++i) {
    expect_row(matrix, i < head ? i : matrix.rows - stored + i, want.data() + i * matrix.cols);
  }
}

TEST(PackedGolden, EveryGgufTypeEqualsTheGgufPackage) {
  Index count = 0;
  for (const char* name : {"F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K",
                           "Q4_K", "Q5_K", "Q6_K", "IQ4_NL"}) {
    PackedMatrix matrix;
    matrix.format = block_format_from_name(name).value();
    const io::TensorView& blocks = reference().at(std::string(name) + ".blocks");
    const BlockFacts& facts = facts_of(matrix.format);
    matrix.rows = blocks.shape[0];
    matrix.cols = blocks.shape[1] / facts.bytes * facts.elements;
    matrix.codes = blocks.bytes;
    EXPECT_EQ(matrix.bytes(), std::ssize(blocks.bytes));
    expect_values(matrix, name);
    ++count;
  }
  EXPECT_EQ(count, 14);
}

struct Nf4Case {
  std::vector<float> absmax, nested_absmax;
  PackedMatrix matrix;

  explicit Nf4Case(const std::string& name) {
    const std::vector<Index> shape = numbers<Index>(name + ".shape");
    matrix.format = BlockFormat::kNf4;
    matrix.rows = shape[0];
    matrix.cols = shape[1];
    matrix.codes = reference().at(name + ".weight").bytes;
    Nf4Scales scales;
    std::ranges::copy(numbers<float>(name + ".quant_map"), scales.map.begin());
    if (reference().find(name + ".nested_absmax") == nullptr) {
      absmax = numbers<float>(name + ".absmax");
      scales.absmax = absmax.data();
    } else {
      scales.nested = reinterpret_cast<const std::uint8_t*>(reference().at(name + ".absmax").bytes.data());
      nested_absmax = numbers<float>(name + ".nested_absmax");
      scales.nested_absmax = nested_absmax.data();
      std::ranges::copy(numbers<float>(name + ".nested_quant_map"), scales.nested_map.begin());
      scales.offset = numbers<float>(name + ".offset")[0];
    }
    matrix.scales = scales;
  }
};

TEST(PackedGolden, Nf4EqualsBitsandbytes) {
  for (const char* name : {"nf4", "nf4_even"}) {
    const Nf4Case made(name);
    EXPECT_EQ(scale_count(made.matrix), std::ssize(made.absmax));
    expect_values(made.matrix, name);
  }
}

TEST(PackedGolden, Nf4WithQuantisedScalesEqualsBitsandbytes) {
  const Nf4Case made("nf4_nested");
  EXPECT_EQ(scale_count(made.matrix), reference().at("nf4_nested.absmax").elements());
  EXPECT_EQ(std::ssize(made.nested_absmax), 2);
  // 130 x 140 in halves of bytes, a byte for each of 285 blocks, four for each 256 of them, the last not full
  EXPECT_EQ(made.matrix.bytes(), 9100 + 285 + 8);
  expect_values(made.matrix, "nf4_nested");
}

TEST(PackedGolden, Int8RowsEqualBitsandbytes) {
  const std::vector<float> absmax = numbers<float>("INT8.SCB");
  PackedMatrix matrix;
  matrix.format = BlockFormat::kInt8;
  matrix.rows = 5;
  matrix.cols = 37;
  matrix.codes = reference().at("INT8.weight").bytes;
  matrix.scales = RowScales{absmax.data()};
  EXPECT_EQ(matrix.bytes(), 5 * 37 + 5 * 4);
  expect_values(matrix, "INT8");
}

}  // namespace
}  // namespace lorry
