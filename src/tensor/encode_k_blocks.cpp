// The blocks of 256 whose scales are small integers times one or two float16. The scales of the parts are
// searched first, then the one that holds them all, then every part's integers once more with the block's
// scales as they will be read, and at last the float16 that fit all 256 codes best.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "core/check.hpp"
#include "tensor/block_codes.hpp"
#include "tensor/dtype.hpp"
#include "tensor/encode_blocks.hpp"
#include "tensor/scale_search.hpp"

namespace lorry {

namespace {

namespace search = scale_search;

constexpr Index kElements = 256;

float as_half(float value) {
  return to_float(to_f16(value));
}

/// round(x / scale) from low to high; 0 where the scale is 0, and low for what is no number.
int nearest_code(float x, float scale, float low, float high) {
  const float code = scale == 0.0F ? 0.0F : std::nearbyint(x / scale);
  return static_cast<int>(code > low ? std::min(code, high) : low);
}

/// Q3_K and Q6_K: 16 parts of 16, x ~ d scale code, all of them signed.
struct SignedBlock {
  float d = 0.0F;  // as read: a float16
  std::array<int, 16> scales = {};
  std::array<std::int8_t, kElements> codes = {};

  void round_codes(const float* x, int most) {
    for (std::size_t i = 0; i < codes.size(); ++i) {
      const float scale = d * static_cast<float>(scales[i / 16]);
      codes[i] = static_cast<std::int8_t>(
          nearest_code(x[i], scale, -static_cast<float>(most), static_cast<float>(most - 1)));
    }
  }

  /// The d that fits scales and codes best.
  void fit(const float* x) {
    double xq = 0.0;
    double qq = 0.0;
    for (std::size_t i = 0; i < codes.size(); ++i) {
      const double q = scales[i / 16] * codes[i];
      xq += static_cast<double>(x[i]) * q;
      qq += q * q;
    }
    if (qq > 0.0) d = as_half(static_cast<float>(xq / qq));
  }
};

/// Codes from -most to most - 1, scales from -most_scale to most_scale - 1.
SignedBlock search_signed_block(const float* x, int most, int most_scale, std::span<const float> tries) {
  SignedBlock block;
  std::array<float, 16> scales{};
  std::array<float, 16> weights{};
  const auto high = static_cast<float>(most - 1);
  for (std::size_t j = 0; j < 16; ++j) {
    const search::Signed found = search::search_signed<16>(x + 16 * j, -high - 1.0F, high, tries);
    scales[j] = found.scale;
    weights[j] = found.weight;
  }
  const auto low_scale = -static_cast<float>(most_scale);
  block.d = as_half(search::search_weighted(scales, weights, low_scale, -low_scale - 1.0F));
  for (std::size_t j = 0; j < 16; ++j) {
    block.scales[j] = nearest_code(scales[j], block.d, low_scale, -low_scale - 1.0F);
  }
  block.round_codes(x, most);
  block.fit(x);
  block.round_codes(x, most);
  return block;
}

/// Q2_K, Q4_K and Q5_K: parts of kPart, x ~ d scale code - m minimum, none of them negative.
template <Index kPart>
struct AffineBlock {
  static constexpr std::size_t kParts = kElements / kPart;
  float d = 0.0F;
  float m = 0.0F;
  std::array<int, kParts> scales = {};
  std::array<int, kParts> minima = {};
  std::array<std::uint8_t, kElements> codes = {};

  /// The sum of squares that part j would lose with these.
  [[nodiscard]] float loss(const float* x, std::size_t j, int scale, int minimum, float most) const {
    const float step = d * static_cast<float>(scale);
    const float shift = m * static_cast<float>(minimum);
    const float inverse = step > 0.0F ? 1.0F / step : 0.0F;
    search::Lanes sum = {};
    for (Index i = 0; i < kPart; i += search::kLanes) {
      search::Lanes value;
      std::memcpy(&value, x + static_cast<Index>(j) * kPart + i, sizeof(value));
      value += shift;
      search::Lanes q = value * inverse;
      q = q < 0.0F ? search::Lanes{} : q;
      q = q > most ? (search::Lanes{} + most) : q;
      search::round_lanes(q);
      q = q * step - value;
      sum += q * q;
    }
    return search::sum_of(sum);
  }

  /// The integers around those at hand that lose least.
  void choose_integers(const float* x, float most, int limit) {
    for (std::size_t j = 0; j < kParts; ++j) {
      const int scale = scales[j];
      const int minimum = minima[j];
      float least = -1.0F;
      for (int s = std::max(scale - 1, 0); s <= std::min(scale + 1, limit); ++s) {
        for (int t = std::max(minimum - 1, 0); t <= std::min(minimum + 1, limit); ++t) {
          const float lost = loss(x, j, s, t, most);
          if (least >= 0.0F && !(lost < least)) continue;
          least = lost;
          scales[j] = s;
          minima[j] = t;
        }
      }
    }
  }

  void round_codes(const float* x, float most) {
    for (std::size_t i = 0; i < codes.size(); ++i) {
      const std::size_t j = i / kPart;
      const float shifted = x[i] + m * static_cast<float>(minima[j]);
      codes[i] =
          static_cast<std::uint8_t>(nearest_code(shifted, d * static_cast<float>(scales[j]), 0.0F, most));
    }
  }

  /// The d and m that fit the integers best.
  void fit(const float* x) {
    double aa = 0.0;  // a = scale code, b = minimum
    double ab = 0.0;
    double bb = 0.0;
    double xa = 0.0;
    double xb = 0.0;
    for (std::size_t i = 0; i < codes.size(); ++i) {
      const double a = scales[i / kPart] * codes[i];
      const double b = minima[i / kPart];
      aa += a * a;
      ab += a * b;
      bb += b * b;
      xa += a * static_cast<double>(x[i]);
      xb += b * static_cast<double>(x[i]);
    }
    const double determinant = aa * bb - ab * ab;
    double new_d = aa > 0.0 ? xa / aa : 0.0;
    double new_m = 0.0;
    if (determinant > 0.0) {
      new_d = (xa * bb - xb * ab) / determinant;
      new_m = (xa * ab - xb * aa) / determinant;
    }
    if (!(new_d > 0.0) || !(new_m >= 0.0)) return;
    d = as_half(static_cast<float>(new_d));
    m = as_half(static_cast<float>(new_m));
  }
};

template <Index kPart>
AffineBlock<kPart> search_affine_block(const float* x, int most, int limit, std::span<const float> tries) {
  using Block = AffineBlock<kPart>;
  Block block;
  std::array<search::Affine, Block::kParts> found{};
  std::array<float, Block::kParts> scales{};
  std::array<float, Block::kParts> minima{};
  std::array<float, Block::kParts> weights{};
  weights.fill(1.0F);
  const auto high = static_cast<float>(most);
  for (std::size_t j = 0; j < Block::kParts; ++j) {
    found[j] = search::search_affine<kPart>(x + static_cast<Index>(j) * kPart, high, tries);
    scales[j] = found[j].scale;
    minima[j] = found[j].minimum;
  }
  const auto bound = static_cast<float>(limit);
  block.d = as_half(search::search_weighted(scales, weights, 0.0F, bound));
  block.m = as_half(search::search_weighted(minima, weights, 0.0F, bound));
  for (std::size_t j = 0; j < Block::kParts; ++j) {
    block.scales[j] = nearest_code(found[j].scale, block.d, 0.0F, bound);
    block.minima[j] = nearest_code(found[j].minimum, block.m, 0.0F, bound);
  }
  for (int step = 0; step < 2; ++step) {
    block.choose_integers(x, high, limit);
    block.round_codes(x, high);
    block.fit(x);
  }
  block.round_codes(x, high);
  return block;
}

void put_q2_k(const float* x, std::uint8_t* to) {
  constexpr std::array kTries = {2.5F, 2.6F, 2.7F, 2.8F, 2.9F, 3.0F, 3.1F, 3.2F,
                                 3.3F, 3.4F, 3.5F, 3.6F, 3.7F, 3.8F, 3.9F, 4.0F};
  const auto block = search_affine_block<16>(x, 3, 15, kTries);
  for (std::size_t j = 0; j < 16; ++j) {
    to[j] = static_cast<std::uint8_t>(block.scales[j] | block.minima[j] << 4);
  }
  for (std::size_t i = 0; i < 64; ++i) {
    const std::uint8_t* const code = block.codes.data() + i / 32 * 128 + i % 32;
    to[16 + i] = static_cast<std::uint8_t>(code[0] | code[32] << 2 | code[64] << 4 | code[96] << 6);
  }
  block_codes::put_half(block.d, to + 80);
  block_codes::put_half(block.m, to + 82);
}

void put_q3_k(const float* x, std::uint8_t* to) {
  constexpr std::array kTries = {-4.8F, -4.6F, -4.4F, -4.2F, -4.0F, -3.8F, -3.6F,
                                 -3.4F, 3.6F,  3.4F,  3.2F,  3.0F,  2.8F};
  const SignedBlock block = search_signed_block(x, 4, 32, kTries);
  std::memset(to, 0, 32);
  for (std::size_t i = 0; i < 64; ++i) {
    std::uint8_t low = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const int code = block.codes[i / 32 * 128 + i % 32 + 32 * k] + 4;
      low = static_cast<std::uint8_t>(low | (code & 3) << (2 * k));
      to[i % 32] = static_cast<std::uint8_t>(to[i % 32] | (code >> 2) << (4 * (i / 32) + k));
    }
    to[32 + i] = low;
  }
  std::memset(to + 96, 0, 12);
  for (std::size_t j = 0; j < 16; ++j) {
    const int scale = block.scales[j] + 32;
    std::uint8_t& low = to[96 + j % 8];
    low = static_cast<std::uint8_t>(low | (scale & 0xF) << (j < 8 ? 0 : 4));
    std::uint8_t& top = to[104 + j % 4];
    top = static_cast<std::uint8_t>(top | (scale >> 4) << (2 * (j / 4)));
  }
  block_codes::put_half(block.d, to + 108);
}

/// The eight pairs of six bits of Q4_K and Q5_K.
void put_six_bits(const AffineBlock<32>& block, std::uint8_t* s) {
  for (std::size_t j = 0; j < 4; ++j) {
    const int high_scale = block.scales[j + 4];
    const int high_minimum = block.minima[j + 4];
    s[j] = static_cast<std::uint8_t>(block.scales[j] | (high_scale >> 4) << 6);
    s[j + 4] = static_cast<std::uint8_t>(block.minima[j] | (high_minimum >> 4) << 6);
    s[j + 8] = static_cast<std::uint8_t>((high_scale & 0xF) | (high_minimum & 0xF) << 4);
  }
}

void put_q4_k(const float* x, std::uint8_t* to) {
  constexpr std::array kTries = {13.0F, 14.0F, 14.5F, 15.0F, 15.5F, 16.0F};
  const auto block = search_affine_block<32>(x, 15, 63, kTries);
  block_codes::put_half(block.d, to);
  block_codes::put_half(block.m, to + 2);
  put_six_bits(block, to + 4);
  for (std::size_t i = 0; i < 128; ++i) {
    const std::uint8_t* const code = block.codes.data() + i / 32 * 64 + i % 32;
    to[16 + i] = static_cast<std::uint8_t>(code[0] | code[32] << 4);
  }
}

void put_q5_k(const float* x, std::uint8_t* to) {
  constexpr std::array kTries = {28.0F, 29.0F, 30.0F, 30.5F, 31.0F, 31.5F};
  const auto block = search_affine_block<32>(x, 31, 63, kTries);
  block_codes::put_half(block.d, to);
  block_codes::put_half(block.m, to + 2);
  put_six_bits(block, to + 4);
  std::memset(to + 16, 0, 32);
  for (std::size_t i = 0; i < 128; ++i) {
    const std::uint8_t* const code = block.codes.data() + i / 32 * 64 + i % 32;
    to[48 + i] = static_cast<std::uint8_t>((code[0] & 0xF) | (code[32] & 0xF) << 4);
    std::uint8_t& high = to[16 + i % 32];
    high = static_cast<std::uint8_t>(high | (code[0] >> 4 | code[32] >> 4 << 1) << (2 * (i / 32)));
  }
}

void put_q6_k(const float* x, std::uint8_t* to) {
  constexpr std::array kTries = {-32.8F, -32.4F, -32.0F, -31.6F, -31.2F, 31.4F, 31.0F, 30.6F};
  const SignedBlock block = search_signed_block(x, 32, 128, kTries);
  for (std::size_t i = 0; i < 64; ++i) {  // half, and number within 32
    const std::size_t half = i / 32;
    const auto code = [&](std::size_t k) { return block.codes[half * 128 + i % 32 + 32 * k] + 32; };
    std::uint8_t* const low = to + 64 * half + i % 32;
    low[0] = static_cast<std::uint8_t>((code(0) & 0xF) | (code(2) & 0xF) << 4);
    low[32] = static_cast<std::uint8_t>((code(1) & 0xF) | (code(3) & 0xF) << 4);
    to[128 + i] =
        static_cast<std::uint8_t>(code(0) >> 4 | code(1) >> 4 << 2 | code(2) >> 4 << 4 | code(3) >> 4 << 6);
  }
  for (std::size_t j = 0; j < 16; ++j) {
    const auto scale = static_cast<std::int8_t>(block.scales[j]);
    std::memcpy(to + 192 + j, &scale, 1);
  }
  block_codes::put_half(block.d, to + 208);
}

}  // namespace

void encode_k_block(BlockFormat format, const float* values, std::uint8_t* to) {
  switch (format) {
    case BlockFormat::kQ2_K:
      return put_q2_k(values, to);
    case BlockFormat::kQ3_K:
      return put_q3_k(values, to);
    case BlockFormat::kQ4_K:
      return put_q4_k(values, to);
    case BlockFormat::kQ5_K:
      return put_q5_k(values, to);
    case BlockFormat::kQ6_K:
      return put_q6_k(values, to);
    default:
      check_failed(__FILE__, __LINE__, "no format of 256");
  }
}

}  // namespace lorry
