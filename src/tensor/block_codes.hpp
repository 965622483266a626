// tensor/block_codes.hpp: GGUF's block formats taken apart into small integers and their scales, so that one
// loop makes numbers of all of them.
//
// Layouts as in ggml's block structs; the sources of truth for the digits are the dequantisers of the `gguf`
// package, which every format is tested against.
#pragma once
#include <cstring>

#include "tensor/dtype.hpp"
#include "tensor/packed.hpp"

namespace lorry {

/// element i = scale[i / group] * code[i] (+ offset[i / group]).
struct BlockCodes {
  static constexpr Index kMost = 256;  // elements
  alignas(64) std::int8_t code[kMost];
  float scale[16];
  float offset[16];
};

/// How a format's BlockCodes are to be read.
struct BlockGroups {
  Index group = 32;  // elements that share a scale
  bool offsets = false;
};

constexpr BlockGroups groups_of(BlockFormat format) {
  switch (format) {
    case BlockFormat::kQ4_1:
    case BlockFormat::kQ5_1:
    case BlockFormat::kQ4_K:
    case BlockFormat::kQ5_K:
      return {32, true};
    case BlockFormat::kQ2_K:
      return {16, true};
    case BlockFormat::kQ3_K:
    case BlockFormat::kQ6_K:
      return {16, false};
    default:
      return {32, false};
  }
}

namespace block_codes {

inline float half(const std::uint8_t* at) {
  F16 value;
  std::memcpy(&value, at, sizeof(value));
  return to_float(value);
}

/// Low nibbles of n bytes, then their high ones.
inline void nibbles(const std::uint8_t* from, Index n, std::int8_t* to) {
  for (Index i = 0; i < n; ++i) to[i] = static_cast<std::int8_t>(from[i] & 0xF);
  for (Index i = 0; i < n; ++i) to[n + i] = static_cast<std::int8_t>(from[i] >> 4);
}

/// Adds 16 to code i where bit i of four bytes is set.
inline void add_fifth_bits(const std::uint8_t* from, std::int8_t* to) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, from, sizeof(bits));
  for (Index i = 0; i < 32; ++i) to[i] = static_cast<std::int8_t>(to[i] | ((bits >> i & 1U) << 4));
}

inline void add_all(std::int8_t* codes, Index n, int amount) {
  for (Index i = 0; i < n; ++i) codes[i] = static_cast<std::int8_t>(codes[i] + amount);
}

/// The eight 6-bit scales and minima of Q4_K and Q5_K, times d and -dmin.
inline void six_bit_scales(const std::uint8_t* s, float d, float dmin, BlockCodes& to) {
  for (Index j = 0; j < 4; ++j) {
    to.scale[j] = d * static_cast<float>(s[j] & 0x3F);
    to.offset[j] = -(dmin * static_cast<float>(s[j + 4] & 0x3F));
    to.scale[j + 4] = d * static_cast<float>((s[j + 8] & 0xF) | (s[j] >> 2 & 0x30));
    to.offset[j + 4] = -(dmin * static_cast<float>((s[j + 8] >> 4) | (s[j + 4] >> 2 & 0x30)));
  }
}

}  // namespace block_codes

template <BlockFormat kFormat>
void take_apart(const std::uint8_t* block, BlockCodes& to);

template <>
inline void take_apart<BlockFormat::kQ4_0>(const std::uint8_t* block, BlockCodes& to) {
  to.scale[0] = block_codes::half(block);
  block_codes::nibbles(block + 2, 16, to.code);
  block_codes::add_all(to.code, 32, -8);
}

template <>
inline void take_apart<BlockFormat::kQ4_1>(const std::uint8_t* block, BlockCodes& to) {
  to.scale[0] = block_codes::half(block);
  to.offset[0] = block_codes::half(block + 2);
  block_codes::nibbles(block + 4, 16, to.code);
}

template <>
inline void take_apart<BlockFormat::kQ5_0>(const std::uint8_t* block, BlockCodes& to) {
  to.scale[0] = block_codes::half(block);
  block_codes::nibbles(block + 6, 16, to.code);
  block_codes::add_fifth_bits(block + 2, to.code);
  block_codes::add_all(to.code, 32, -16);
}

template <>
inline void take_apart<BlockFormat::kQ5_1>(const std::uint8_t* block, BlockCodes& to) {
  to.scale[0] = block_codes::half(block);
  to.offset[0] = block_codes::half(block + 2);
  block_codes::nibbles(block + 8, 16, to.code);
  block_codes::add_fifth_bits(block + 4, to.code);
}

template <>
inline void take_apart<BlockFormat::kQ8_0>(const std::uint8_t* block, BlockCodes& to) {
  to.scale[0] = block_codes::half(block);
  std::memcpy(to.code, block + 2, 32);
}

template <>
inline void take_apart<BlockFormat::kQ2_K>(const std::uint8_t* block, BlockCodes& to) {
  const float d = block_codes::half(block + 80);
  const float dmin = block_codes::half(block + 82);
  for (Index j = 0; j < 16; ++j) {
    to.scale[j] = d * static_cast<float>(block[j] & 0xF);
    to.offset[j] = -(dmin * static_cast<float>(block[j] >> 4));
  }
  for (Index half = 0; half < 2; ++half) {
    const std::uint8_t* const from = block + 16 + 32 * half;
    for (Index shift = 0; shift < 4; ++shift) {
      std::int8_t* const out = to.code + 128 * half + 32 * shift;
      for (Index i = 0; i < 32; ++i) out[i] = static_cast<std::int8_t>(from[i] >> (2 * shift) & 3);
    }
  }
}

template <>
inline void take_apart<BlockFormat::kQ3_K>(const std::uint8_t* block, BlockCodes& to) {
  const std::uint8_t* const high = block;  // the third bit, inverted: 0 takes 4 away
  const std::uint8_t* const scales = block + 96;
  const float d = block_codes::half(block + 108);
  for (Index j = 0; j < 16; ++j) {
    const int low = j < 8 ? scales[j] & 0xF : scales[j - 8] >> 4;
    const int top = scales[8 + j % 4] >> (2 * (j / 4)) & 3;
    to.scale[j] = d * static_cast<float>((low | top << 4) - 32);
  }
  for (Index half = 0; half < 2; ++half) {
    const std::uint8_t* const from = block + 32 + 32 * half;
    for (Index shift = 0; shift < 4; ++shift) {
      std::int8_t* const out = to.code + 128 * half + 32 * shift;
      const Index bit = 4 * half + shift;
      for (Index i = 0; i < 32; ++i) {
        const int low = from[i] >> (2 * shift) & 3;
        out[i] = static_cast<std::int8_t>(low - ((high[i] >> bit & 1) ^ 1) * 4);
      }
    }
  }
}

template <>
inline void take_apart<BlockFormat::kQ4_K>(const std::uint8_t* block, BlockCodes& to) {
  block_codes::six_bit_scales(block + 4, block_codes::half(block), block_codes::half(block + 2), to);
  for (Index j = 0; j < 4; ++j) block_codes::nibbles(block + 16 + 32 * j, 32, to.code + 64 * j);
}

template <>
inline void take_apart<BlockFormat::kQ5_K>(const std::uint8_t* block, BlockCodes& to) {
  block_codes::six_bit_scales(block + 4, block_codes::half(block), block_codes::half(block + 2), to);
  const std::uint8_t* const high = block + 16;
  for (Index j = 0; j < 4; ++j) block_codes::nibbles(block + 48 + 32 * j, 32, to.code + 64 * j);
  for (Index j = 0; j < 8; ++j) {
    std::int8_t* const out = to.code + 32 * j;
    for (Index i = 0; i < 32; ++i) out[i] = static_cast<std::int8_t>(out[i] | (high[i] >> j & 1) << 4);
  }
}

template <>
inline void take_apart<BlockFormat::kQ6_K>(const std::uint8_t* block, BlockCodes& to) {
  const float d = block_codes::half(block + 208);
  for (Index j = 0; j < 16; ++j) {
    std::int8_t scale = 0;
    std::memcpy(&scale, block + 192 + j, 1);
    to.scale[j] = d * static_cast<float>(scale);
  }
  for (Index half = 0; half < 2; ++half) {
    block_codes::nibbles(block + 64 * half, 64, to.code + 128 * half);
    const std::uint8_t* const high = block + 128 + 32 * half;
    for (Index shift = 0; shift < 4; ++shift) {
      std::int8_t* const out = to.code + 128 * half + 32 * shift;
      for (Index i = 0; i < 32; ++i) {
        out[i] = static_cast<std::int8_t>((out[i] | (high[i] >> (2 * shift) & 3) << 4) - 32);
      }
    }
  }
}

template <>
inline void take_apart<BlockFormat::kIQ4_NL>(const std::uint8_t* block, BlockCodes& to) {
  constexpr std::array<std::int8_t, 16> kValues = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                   1,    13,   25,  38,  53,  69,  89,  113};
  to.scale[0] = block_codes::half(block);
  block_codes::nibbles(block + 2, 16, to.code);
  for (std::int8_t& code : std::span(to.code, 32)) code = kValues[static_cast<std::size_t>(code)];
}

/// Calls visit.operator()<format>() for the GGUF format at hand; it must be one.
template <class Visit>
decltype(auto) with_block_format(BlockFormat format, Visit&& visit) {
  switch (format) {
    case BlockFormat::kQ4_0:
      return visit.template operator()<BlockFormat::kQ4_0>();
    case BlockFormat::kQ4_1:
      return visit.template operator()<BlockFormat::kQ4_1>();
    case BlockFormat::kQ5_0:
      return visit.template operator()<BlockFormat::kQ5_0>();
    case BlockFormat::kQ5_1:
      return visit.template operator()<BlockFormat::kQ5_1>();
    case BlockFormat::kQ2_K:
      return visit.template operator()<BlockFormat::kQ2_K>();
    case BlockFormat::kQ3_K:
      return visit.template operator()<BlockFormat::kQ3_K>();
    case BlockFormat::kQ4_K:
      return visit.template operator()<BlockFormat::kQ4_K>();
    case BlockFormat::kQ5_K:
      return visit.template operator()<BlockFormat::kQ5_K>();
    case BlockFormat::kQ6_K:
      return visit.template operator()<BlockFormat::kQ6_K>();
    case BlockFormat::kIQ4_NL:
      return visit.template operator()<BlockFormat::kIQ4_NL>();
    default:
      return visit.template operator()<BlockFormat::kQ8_0>();
  }
}

}  // namespace lorry
