// tensor/block_codes.hpp: GGUF's block formats taken apart into small integers and their scales, so that one
// loop makes numbers of all of them.
//
// Layouts as in ggml's block structs; the sources of truth for the digits are the dequantisers of the `gguf`
// package, which every format is tested against. What is inlined always is so into kernels that are compiled
// for several instruction sets, and vectorised there (ops/cpu/unpack.cpp).
#pragma once
#include <array>
#include <cstring>
#include <span>

#include "tensor/dtype.hpp"
#include "tensor/packed.hpp"

namespace lorry {

/// element i = scale[i / group] * code[i] (+ offset[i / group]).
struct BlockCodes {
  static constexpr Index kMost = 256;  // elements
  alignas(64) std::int8_t code[kMost];
  alignas(64) float scale[16];
  alignas(64) float offset[16];
};

/// How a format's BlockCodes are to be read, and where its blocks have their one or two float16.
struct BlockGroups {
  Index group = 32;  // elements that share a scale
  bool offsets = false;
  Index d = 0;   // byte of the scale (of scales)
  Index m = -1;  // byte of the minimum (of minima); -1: there is none
};

constexpr BlockGroups groups_of(BlockFormat format) {
  switch (format) {
    case BlockFormat::kQ4_1:
    case BlockFormat::kQ5_1:
    case BlockFormat::kQ4_K:
    case BlockFormat::kQ5_K:
      return {32, true, 0, 2};
    case BlockFormat::kQ2_K:
      return {16, true, 80, 82};
    case BlockFormat::kQ3_K:
      return {16, false, 108};
    case BlockFormat::kQ6_K:
      return {16, false, 208};
    default:
      return {32, false};
  }
}

/// What the codes of IQ4_NL stand for.
inline constexpr std::array<std::int8_t, 16> kIq4Values = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                           1,    13,   25,  38,  53,  69,  89,  113};

namespace block_codes {

inline float half(const std::uint8_t* at) {
  F16 value;
  std::memcpy(&value, at, sizeof(value));
  return to_float(value);
}
inline void put_half(float value, std::uint8_t* to) {
  const F16 half = to_f16(value);
  std::memcpy(to, &half, sizeof(half));
}

/// Low nibbles of n bytes, then their high ones.
[[gnu::always_inline]] inline void nibbles(const std::uint8_t* from, Index n, std::int8_t* to) {
  for (Index i = 0; i < n; ++i) to[i] = static_cast<std::int8_t>(from[i] & 0xF);
  for (Index i = 0; i < n; ++i) to[n + i] = static_cast<std::int8_t>(from[i] >> 4);
}

/// Adds 16 to code i where bit i of four bytes is set.
[[gnu::always_inline]] inline void add_fifth_bits(const std::uint8_t* from, std::int8_t* to) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, from, sizeof(bits));
  for (Index i = 0; i < 32; ++i) to[i] = static_cast<std::int8_t>(to[i] | ((bits >> i & 1U) << 4));
}

[[gnu::always_inline]] inline void add_all(std::int8_t* codes, Index n, int amount) {
  for (Index i = 0; i < n; ++i) codes[i] = static_cast<std::int8_t>(codes[i] + amount);
}

/// The eight 6-bit scales and minima of Q4_K and Q5_K, times d and -dmin.
[[gnu::always_inline]] inline void six_bit_scales(const std::uint8_t* s, float d, float dmin,
                                                  BlockCodes& to) {
  for (Index j = 0; j < 4; ++j) {
    to.scale[j] = d * static_cast<float>(s[j] & 0x3F);
    to.offset[j] = -(dmin * static_cast<float>(s[j + 4] & 0x3F));
    to.scale[j + 4] = d * static_cast<float>((s[j + 8] & 0xF) | (s[j] >> 2 & 0x30));
    to.offset[j + 4] = -(dmin * static_cast<float>((s[j + 8] >> 4) | (s[j + 4] >> 2 & 0x30)));
  }
}

// Each of the following reads its bytes once and writes the elements that share them, 32 apart.

[[gnu::always_inline]] inline void codes_q2_k(const std::uint8_t* block, std::int8_t* to) {
  for (Index half = 0; half < 2; ++half) {
    const std::uint8_t* const from = block + 16 + 32 * half;
    for (Index i = 0; i < 32; ++i) {
      const int q = from[i];
      std::int8_t* const out = to + 128 * half + i;
      out[0] = static_cast<std::int8_t>(q & 3);
      out[32] = static_cast<std::int8_t>(q >> 2 & 3);
      out[64] = static_cast<std::int8_t>(q >> 4 & 3);
      out[96] = static_cast<std::int8_t>(q >> 6);
    }
  }
}

[[gnu::always_inline]] inline void codes_q3_k(const std::uint8_t* block, std::int8_t* to) {
  const std::uint8_t* const high = block;  // the third bit, inverted: 0 takes 4 away
  for (Index half = 0; half < 2; ++half) {
    const std::uint8_t* const from = block + 32 + 32 * half;
    for (Index i = 0; i < 32; ++i) {
      const int q = from[i];
      const int h = high[i] >> (4 * half);
      std::int8_t* const out = to + 128 * half + i;
      out[0] = static_cast<std::int8_t>(((q & 3) | (h & 1) << 2) - 4);
      out[32] = static_cast<std::int8_t>(((q >> 2 & 3) | (h >> 1 & 1) << 2) - 4);
      out[64] = static_cast<std::int8_t>(((q >> 4 & 3) | (h >> 2 & 1) << 2) - 4);
      out[96] = static_cast<std::int8_t>(((q >> 6) | (h >> 3 & 1) << 2) - 4);
    }
  }
}

[[gnu::always_inline]] inline void codes_q5_k(const std::uint8_t* block, std::int8_t* to) {
  const std::uint8_t* const high = block + 16;
  for (Index j = 0; j < 4; ++j) {
    const std::uint8_t* const from = block + 48 + 32 * j;
    for (Index i = 0; i < 32; ++i) {
      const int q = from[i];
      const int h = high[i] >> (2 * j);
      std::int8_t* const out = to + 64 * j + i;
      out[0] = static_cast<std::int8_t>((q & 0xF) | (h & 1) << 4);
      out[32] = static_cast<std::int8_t>(q >> 4 | (h >> 1 & 1) << 4);
    }
  }
}

[[gnu::always_inline]] inline void codes_q6_k(const std::uint8_t* block, std::int8_t* to) {
  for (Index half = 0; half < 2; ++half) {
    const std::uint8_t* const low = block + 64 * half;
    const std::uint8_t* const high = block + 128 + 32 * half;
    for (Index i = 0; i < 32; ++i) {
      const int a = low[i];
      const int b = low[i + 32];
      const int h = high[i];
      std::int8_t* const out = to + 128 * half + i;
      out[0] = static_cast<std::int8_t>(((a & 0xF) | (h & 3) << 4) - 32);
      out[32] = static_cast<std::int8_t>(((b & 0xF) | (h >> 2 & 3) << 4) - 32);
      out[64] = static_cast<std::int8_t>((a >> 4 | (h >> 4 & 3) << 4) - 32);
      out[96] = static_cast<std::int8_t>((b >> 4 | (h >> 6) << 4) - 32);
    }
  }
}

/// The 6-bit scales of Q3_K: the low four bits of all sixteen, then the high two. A scale and the one eight
/// further on share their bytes: without a choice between halves, of which g++ 12 made wrong vectors for
/// AVX-512, or an emulator that this was seen in took them wrongly.
[[gnu::always_inline]] inline void scales_q3_k(const std::uint8_t* scales, float d, BlockCodes& to) {
  for (Index j = 0; j < 8; ++j) {
    const int high = scales[8 + j % 4] >> (j / 4 * 2);
    to.scale[j] = d * static_cast<float>(((scales[j] & 0xF) | (high & 3) << 4) - 32);
    to.scale[j + 8] = d * static_cast<float>((scales[j] >> 4 | (high >> 4 & 3) << 4) - 32);
  }
}

}  // namespace block_codes

/// The codes of a block, in the order of its elements.
template <BlockFormat kFormat>
[[gnu::always_inline]] inline void take_codes(const std::uint8_t* block, std::int8_t* to) {
  if constexpr (kFormat == BlockFormat::kQ4_0) {
    block_codes::nibbles(block + 2, 16, to);
    block_codes::add_all(to, 32, -8);
  } else if constexpr (kFormat == BlockFormat::kQ4_1) {
    block_codes::nibbles(block + 4, 16, to);
  } else if constexpr (kFormat == BlockFormat::kQ5_0) {
    block_codes::nibbles(block + 6, 16, to);
    block_codes::add_fifth_bits(block + 2, to);
    block_codes::add_all(to, 32, -16);
  } else if constexpr (kFormat == BlockFormat::kQ5_1) {
    block_codes::nibbles(block + 8, 16, to);
    block_codes::add_fifth_bits(block + 4, to);
  } else if constexpr (kFormat == BlockFormat::kQ8_0) {
    std::memcpy(to, block + 2, 32);
  } else if constexpr (kFormat == BlockFormat::kQ2_K) {
    block_codes::codes_q2_k(block, to);
  } else if constexpr (kFormat == BlockFormat::kQ3_K) {
    block_codes::codes_q3_k(block, to);
  } else if constexpr (kFormat == BlockFormat::kQ4_K) {
    for (Index j = 0; j < 4; ++j) block_codes::nibbles(block + 16 + 32 * j, 32, to + 64 * j);
  } else if constexpr (kFormat == BlockFormat::kQ5_K) {
    block_codes::codes_q5_k(block, to);
  } else if constexpr (kFormat == BlockFormat::kQ6_K) {
    block_codes::codes_q6_k(block, to);
  } else {
    static_assert(kFormat == BlockFormat::kIQ4_NL);
    block_codes::nibbles(block + 2, 16, to);
    for (Index i = 0; i < 32; ++i) to[i] = kIq4Values[static_cast<std::uint8_t>(to[i])];
  }
}

/// The scales and offsets of a block whose float16 numbers are d and m (0 where there is no m).
template <BlockFormat kFormat>
[[gnu::always_inline]] inline void take_scales(const std::uint8_t* block, float d, float m, BlockCodes& to) {
  if constexpr (kFormat == BlockFormat::kQ2_K) {
    for (Index j = 0; j < 16; ++j) {
      to.scale[j] = d * static_cast<float>(block[j] & 0xF);
      to.offset[j] = -(m * static_cast<float>(block[j] >> 4));
    }
  } else if constexpr (kFormat == BlockFormat::kQ3_K) {
    block_codes::scales_q3_k(block + 96, d, to);
  } else if constexpr (kFormat == BlockFormat::kQ4_K || kFormat == BlockFormat::kQ5_K) {
    block_codes::six_bit_scales(block + 4, d, m, to);
  } else if constexpr (kFormat == BlockFormat::kQ6_K) {
    for (Index j = 0; j < 16; ++j) {
      std::int8_t scale = 0;
      std::memcpy(&scale, block + 192 + j, 1);
      to.scale[j] = d * static_cast<float>(scale);
    }
  } else {
    to.scale[0] = d;
    to.offset[0] = m;
  }
}

/// All of a block.
template <BlockFormat kFormat>
void take_apart(const std::uint8_t* block, BlockCodes& to) {
  constexpr BlockGroups kGroups = groups_of(kFormat);
  const float m = kGroups.m < 0 ? 0.0F : block_codes::half(block + kGroups.m);
  take_scales<kFormat>(block, block_codes::half(block + kGroups.d), m, to);
  take_codes<kFormat>(block, to.code);
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
