// tests/support/random_packed.hpp: packed matrices of reproducible random blocks.
#pragma once
#include <array>
#include <cstring>
#include <vector>

#include "core/rng.hpp"
#include "tensor/dtype.hpp"
#include "tensor/packed.hpp"

namespace lorry::testing {

inline constexpr std::array kPackedFormats = {
    BlockFormat::kF32,  BlockFormat::kF16,    BlockFormat::kBF16, BlockFormat::kQ4_0,
    BlockFormat::kQ4_1, BlockFormat::kQ5_0,   BlockFormat::kQ5_1, BlockFormat::kQ8_0,
    BlockFormat::kQ2_K, BlockFormat::kQ3_K,   BlockFormat::kQ4_K, BlockFormat::kQ5_K,
    BlockFormat::kQ6_K, BlockFormat::kIQ4_NL, BlockFormat::kNf4,  BlockFormat::kInt8,
};

/// Owns what its matrix borrows. Random codes, and scales such that elements are of the order of `size`.
class RandomPacked {
 public:
  /// nested: NF4's scales are quantised too.
  RandomPacked(BlockFormat format, Index rows, Index cols, std::uint64_t seed, bool nested = false,
               float size = 1.0F)
      : rng_(seed), size_(size) {
    const BlockFacts& facts = facts_of(format);
    matrix_.format = format;
    matrix_.rows = rows;
    matrix_.cols = cols;
    const Index blocks = (rows * cols + facts.elements - 1) / facts.elements;
    codes_.resize(static_cast<std::size_t>(blocks * facts.bytes));
    for (std::byte& code : codes_) code = static_cast<std::byte>(rng_.next_below(256));
    put_scales(facts);
    if (format == BlockFormat::kNf4) put_nf4_scales(nested);
    if (format == BlockFormat::kInt8) {
      absmax_ = uniform(rows);
      matrix_.scales = RowScales{absmax_.data()};
    }
    matrix_.codes = codes_;
  }
  RandomPacked(const RandomPacked&) = delete;
  RandomPacked& operator=(const RandomPacked&) = delete;

  [[nodiscard]] PackedMatrix& matrix() { return matrix_; }
  const PackedMatrix& operator*() const { return matrix_; }
  const PackedMatrix* operator->() const { return &matrix_; }
  operator const PackedMatrix*() const { return &matrix_; }  // NOLINT: reads as the matrix itself

 private:
  std::vector<float> uniform(Index count) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = size_ * (0.5F + rng_.next_uniform());
    return values;
  }

  /// float16 scales at the places where blocks have them; plain numbers are all scale.
  void put_scales(const BlockFacts& facts) {
    for (std::size_t at = 0; at < codes_.size(); at += static_cast<std::size_t>(facts.bytes)) {
      switch (facts.format) {
        case BlockFormat::kF32: {
          const float value = size_ * rng_.next_normal();
          std::memcpy(codes_.data() + at, &value, sizeof(value));
          break;
        }
        case BlockFormat::kBF16: {
          const BF16 value = to_bf16(size_ * rng_.next_normal());
          std::memcpy(codes_.data() + at, &value, sizeof(value));
          break;
        }
        case BlockFormat::kQ2_K:
          put_half(at + 80, 0.05F);
          put_half(at + 82, 0.05F);
          break;
        case BlockFormat::kQ3_K:
          put_half(at + 108, 0.01F);
          break;
        case BlockFormat::kQ6_K:
          put_half(at + 208, 0.0005F);
          break;
        case BlockFormat::kQ4_K:
        case BlockFormat::kQ5_K:
          put_half(at, 0.003F);
          put_half(at + 2, 0.003F);
          break;
        case BlockFormat::kQ4_1:
        case BlockFormat::kQ5_1:
          put_half(at, 0.1F);
          put_half(at + 2, 1.0F);
          break;
        case BlockFormat::kNf4:
        case BlockFormat::kInt8:
          break;
        default:
          put_half(at, facts.bytes > 30 || facts.format == BlockFormat::kIQ4_NL ? 0.01F : 0.1F);
      }
    }
  }

  void put_half(std::size_t at, float deviation) {
    const F16 value = to_f16(size_ * deviation * rng_.next_normal());
    std::memcpy(codes_.data() + at, &value, sizeof(value));
  }

  void put_nf4_scales(bool nested) {
    Nf4Scales scales;
    for (std::size_t i = 0; i < 16; ++i) scales.map[i] = (static_cast<float>(i) - 7.3F) / 8.0F;
    const Index count = scale_count(matrix_);
    absmax_ = uniform(count);
    scales.absmax = absmax_.data();
    if (nested) {
      nested_.resize(static_cast<std::size_t>(count));
      for (std::uint8_t& code : nested_) code = static_cast<std::uint8_t>(rng_.next_below(256));
      for (float& value : scales.nested_map) value = 2.0F * rng_.next_uniform() - 1.0F;
      nested_absmax_ = uniform((count + scales.nested_block - 1) / scales.nested_block);
      scales.absmax = nullptr;
      scales.nested = nested_.data();
      scales.nested_absmax = nested_absmax_.data();
      scales.offset = 1.7F * size_;
    }
    matrix_.scales = scales;
  }

  Rng rng_;
  float size_;
  std::vector<std::byte> codes_;
  std::vector<float> absmax_, nested_absmax_;
  std::vector<std::uint8_t> nested_;
  PackedMatrix matrix_;
};

/// Columns that a matrix of the format can have, at least about `wanted`: whole blocks, but for formats whose
/// blocks cross rows or are single elements.
inline Index fitting_cols(BlockFormat format, Index wanted) {
  const Index elements = format == BlockFormat::kNf4 ? 1 : facts_of(format).elements;
  return (wanted + elements - 1) / elements * elements;
}

}  // namespace lorry::testing
