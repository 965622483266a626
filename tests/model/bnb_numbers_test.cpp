// Quantising against bitsandbytes' own bytes: tests/golden/quantized/numbers.safetensors.
#include "model/bnb_numbers.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "io/safetensors.hpp"
#include "support/golden_folder.hpp"

namespace lorry::model {
namespace {

class BnbNumbers : public ::testing::Test {
 protected:
  template <class T>
  [[nodiscard]] std::vector<T> numbers(const std::string& name) const {
    const io::TensorView& tensor = file_.at(name);
    std::vector<T> values(tensor.bytes.size() / sizeof(T));
    std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
    return values;
  }

 private:
  io::SafetensorsFile file_{golden_folder() / "quantized/numbers.safetensors"};
};

TEST_F(BnbNumbers, Nf4BytesAreThoseOfBitsandbytes) {
  for (const std::string name : {"long", "zeros", "ties"}) {
    const auto values = numbers<float>(name + ".values");
    const auto want_codes = numbers<std::uint8_t>(name + ".codes");
    const auto want_absmax = numbers<float>(name + ".absmax");
    std::vector<std::uint8_t> codes((values.size() + 1) / 2);
    std::vector<float> absmax((values.size() + 63) / 64);
    EXPECT_TRUE(quantize_nf4(values, codes.data(), absmax.data()));
    EXPECT_EQ(codes, want_codes) << name;
    EXPECT_EQ(absmax, want_absmax) << name;
  }
}

TEST_F(BnbNumbers, ScaleBytesAreThoseOfBitsandbytes) {
  const auto values = numbers<float>("scales.values");
  std::vector<std::uint8_t> codes(values.size());
  std::vector<float> absmax((values.size() + 255) / 256);
  quantize_absmax(values, 0.0F, codes.data(), absmax.data());
  EXPECT_EQ(codes, numbers<std::uint8_t>("scales.codes"));
  EXPECT_EQ(absmax, numbers<float>("scales.absmax"));
  const auto map = numbers<float>("scales.map");
  EXPECT_TRUE(std::equal(map.begin(), map.end(), nested_map().begin(), nested_map().end()));
}

TEST_F(BnbNumbers, Int8BytesAreThoseOfBitsandbytes) {
  const auto values = numbers<float>("rows.values");
  const auto want = numbers<std::int8_t>("rows.codes");
  const auto scales = numbers<float>("rows.scales");
  const std::size_t cols = values.size() / scales.size();
  for (std::size_t row = 0; row < scales.size(); ++row) {
    std::vector<std::int8_t> codes(cols);
    EXPECT_EQ(quantize_int8(std::span(values).subspan(row * cols, cols), codes.data()), scales[row]);
    EXPECT_TRUE(
        std::equal(codes.begin(), codes.end(), want.begin() + static_cast<std::ptrdiff_t>(row * cols)))
        << "row " << row;
  }
}

TEST_F(BnbNumbers, WhatIsNotFiniteIsTold) {
  std::vector<float> values(70, 1.0F);
  std::vector<std::uint8_t> codes(35);
  std::vector<float> absmax(2);
  EXPECT_TRUE(quantize_nf4(values, codes.data(), absmax.data()));
  values[69] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(quantize_nf4(values, codes.data(), absmax.data()));
  std::vector<std::int8_t> row(70);
  EXPECT_FALSE(std::isfinite(quantize_int8(values, row.data())));
  values[69] = 70000.0F;  // finite, but not in float16
  EXPECT_TRUE(quantize_nf4(values, codes.data(), absmax.data()));
  EXPECT_FALSE(std::isfinite(quantize_int8(values, row.data())));
}

TEST_F(BnbNumbers, ScalesThatAreAllAlikeStayFinite) {
  const std::vector<float> values(300, 0.25F);
  EXPECT_EQ(nested_offset(values), 0.25F);
  std::vector<std::uint8_t> codes(values.size(), 9);
  std::vector<float> absmax(2, 9.0F);
  quantize_absmax(values, 0.25F, codes.data(), absmax.data());
  EXPECT_EQ(absmax, (std::vector<float>{0.0F, 0.0F}));
  EXPECT_EQ(codes, std::vector<std::uint8_t>(300, 0));
}

}  // namespace
}  // namespace lorry::model
