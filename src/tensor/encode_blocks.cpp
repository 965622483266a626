#include "tensor/encode_blocks.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/check.hpp"
#include "tensor/block_codes.hpp"
#include "tensor/dtype.hpp"
#include "tensor/scale_search.hpp"

namespace lorry {

namespace {

constexpr Index kSmallBlock = 32;
using SmallCodes = std::array<std::uint8_t, kSmallBlock>;

/// 1 / scale, 0 for 0.
float inverse_of(float scale) {
  return scale == 0.0F ? 0.0F : 1.0F / scale;
}

/// As a code from 0 to `most`; what is no number becomes 0.
std::uint8_t to_code(float value, float most) {
  return value > 0.0F ? static_cast<std::uint8_t>(std::min(std::trunc(value), most)) : std::uint8_t{0};
}

/// The first number of the largest magnitude.
float largest_of(const float* x) {
  float largest = x[0];
  for (Index i = 1; i < kSmallBlock; ++i) {
    if (std::abs(x[i]) > std::abs(largest)) largest = x[i];
  }
  return largest;
}

/// Low halves of the codes: number i and, in the high half of its byte, number i + 16.
void put_nibbles(const SmallCodes& codes, std::uint8_t* to) {
  for (std::size_t i = 0; i < 16; ++i) {
    to[i] = static_cast<std::uint8_t>((codes[i] & 0xF) | (codes[i + 16] & 0xF) << 4);
  }
}

void put_fifth_bits(const SmallCodes& codes, std::uint8_t* to) {
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < codes.size(); ++i) bits |= std::uint32_t{codes[i]} >> 4 << i;
  std::memcpy(to, &bits, sizeof(bits));
}

/// Q4_0 and Q5_0: the largest number becomes code 0, which stands for -2^(bits - 1).
void encode_around_zero(const float* x, int bits, std::uint8_t* to) {
  const auto half = static_cast<float>(1 << (bits - 1));
  const float d = largest_of(x) / -half;
  const float inverse = inverse_of(d);
  SmallCodes codes;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    codes[i] = to_code(x[i] * inverse + (half + 0.5F), 2.0F * half - 1.0F);
  }
  block_codes::put_half(d, to);
  if (bits == 5) put_fifth_bits(codes, to + 2);
  put_nibbles(codes, to + (bits == 5 ? 6 : 2));
}

/// Q4_1 and Q5_1: from the least number to the largest.
void encode_from_minimum(const float* x, int bits, std::uint8_t* to) {
  const auto most = static_cast<float>((1 << bits) - 1);
  const auto [least, largest] = std::minmax_element(x, x + kSmallBlock);
  const float d = (*largest - *least) / most;
  const float inverse = inverse_of(d);
  SmallCodes codes;
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = to_code((x[i] - *least) * inverse + 0.5F, most);
  block_codes::put_half(d, to);
  block_codes::put_half(*least, to + 2);
  if (bits == 5) put_fifth_bits(codes, to + 4);
  put_nibbles(codes, to + (bits == 5 ? 8 : 4));
}

void encode_q8_0(const float* x, std::uint8_t* to) {
  const float d = std::abs(largest_of(x)) / 127.0F;
  const float inverse = inverse_of(d);
  block_codes::put_half(d, to);
  for (Index i = 0; i < kSmallBlock; ++i) {
    const float rounded = std::round(x[i] * inverse);  // halves away from zero
    const auto code = static_cast<std::int8_t>(std::isfinite(rounded) ? rounded : 0.0F);
    std::memcpy(to + 2 + i, &code, 1);
  }
}

/// The code of the number of kIq4Values that is nearest to i / 2, for every i + 256 from 0 to 511. The
/// middles between two of them are whole halves.
const std::array<std::uint8_t, 512>& nearest_iq4() {
  static const auto kNearest = [] {
    std::array<std::uint8_t, 512> table{};
    for (int i = 0; i < 512; ++i) {
      std::uint8_t code = 0;
      while (code < 15 && i - 256 >= kIq4Values[code] + kIq4Values[code + 1]) ++code;
      table[static_cast<std::size_t>(i)] = code;
    }
    return table;
  }();
  return kNearest;
}

std::uint8_t iq4_code(float value) {
  const float twice = std::floor(2.0F * value);
  return nearest_iq4()[static_cast<std::size_t>((twice > -256.0F ? std::min(twice, 255.0F) : -256.0F) + 256)];
}

/// The scale that fits best where the largest number is tried at the ends of the table and beyond.
float iq4_scale(const float* x) {
  const float top = largest_of(x);
  if (top == 0.0F || !std::isfinite(1.0F / top)) return 0.0F;
  float best = 0.0F;
  float best_gain = 0.0F;
  const auto take = [&](float inverse) {
    float vx = 0.0F;
    float vv = 0.0F;
    for (Index i = 0; i < kSmallBlock; ++i) {
      const auto value = static_cast<float>(kIq4Values[iq4_code(x[i] * inverse)]);
      vx += value * x[i];
      vv += value * value;
    }
    const float gain = vx / vv * vx;
    if (!(gain > best_gain)) return false;
    best_gain = gain;
    best = vx / vv;
    return true;
  };
  for (int step = -3; step <= 6; ++step) {
    take((-127.0F - 4.0F * static_cast<float>(step)) / top);
    take((113.0F + 4.0F * static_cast<float>(step)) / top);
  }
  for (int step = 0; step < 4 && take(1.0F / best); ++step) {
  }
  return best;
}

void encode_iq4_nl(const float* x, std::uint8_t* to) {
  block_codes::put_half(iq4_scale(x), to);
  const float inverse = inverse_of(block_codes::half(to));
  SmallCodes codes;
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = iq4_code(x[i] * inverse);
  put_nibbles(codes, to + 2);
}

void encode_block(BlockFormat format, const float* x, std::uint8_t* to) {
  switch (format) {
    case BlockFormat::kQ4_0:
      return encode_around_zero(x, 4, to);
    case BlockFormat::kQ5_0:
      return encode_around_zero(x, 5, to);
    case BlockFormat::kQ4_1:
      return encode_from_minimum(x, 4, to);
    case BlockFormat::kQ5_1:
      return encode_from_minimum(x, 5, to);
    case BlockFormat::kQ8_0:
      return encode_q8_0(x, to);
    case BlockFormat::kIQ4_NL:
      return encode_iq4_nl(x, to);
    default:
      return encode_k_block(format, x, to);
  }
}

/// Of one of the types that are plain numbers.
void encode_number(BlockFormat format, float x, std::uint8_t* to) {
  if (format == BlockFormat::kF16) return block_codes::put_half(x, to);
  if (format == BlockFormat::kF32) {
    std::memcpy(to, &x, sizeof(x));
    return;
  }
  const BF16 rounded = to_bf16(x);
  std::memcpy(to, &rounded, sizeof(rounded));
}

bool all_finite_in(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

}  // namespace

void encode_blocks(BlockFormat format, std::span<const float> values, std::byte* to) {
  const BlockFacts& facts = facts_of(format);
  LORRY_CHECK(std::ssize(values) % facts.elements == 0);
  auto* out = reinterpret_cast<std::uint8_t*>(to);
  for (Index first = 0; first < std::ssize(values); first += facts.elements, out += facts.bytes) {
    const auto block =
        values.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(facts.elements));
    if (facts.elements == 1) {
      encode_number(format, block.front(), out);
    } else if (all_finite_in(block)) {
      encode_block(format, block.data(), out);
    } else {
      std::memset(out, 0, static_cast<std::size_t>(facts.bytes));
      block_codes::put_half(std::numeric_limits<float>::quiet_NaN(), out + groups_of(format).d);
    }
  }
}

}  // namespace lorry
