// model/bnb_numbers.hpp: quantising as bitsandbytes does on the CPU, to the last bit. Unpacking:
// tensor/packed.hpp. The names in files: model/bnb_format.hpp.
#pragma once
#include <array>
#include <cstdint>
#include <span>

#include "core/index.hpp"

namespace lorry::model {

inline constexpr Index kNf4Block = 64;      // elements that share a scale
inline constexpr Index kNestedBlock = 256;  // scales that share a scale

/// Quantiles of the normal distribution, scaled to [-1, 1] (Dettmers et al. 2023, arXiv:2305.14314, app. E).
inline constexpr std::array<float, 16> kNf4Map = {-1.0F,
                                                  -0.6961928009986877F,
                                                  -0.5250730514526367F,
                                                  -0.39491748809814453F,
                                                  -0.28444138169288635F,
                                                  -0.18477343022823334F,
                                                  -0.09105003625154495F,
                                                  0.0F,
                                                  0.07958029955625534F,
                                                  0.16093020141124725F,
                                                  0.24611230194568634F,
                                                  0.33791524171829224F,
                                                  0.44070982933044434F,
                                                  0.5626170039176941F,
                                                  0.7229568362236023F,
                                                  1.0F};

/// That of scales which are quantised too: bitsandbytes' create_dynamic_map to the last bit, from whose exact
/// numbers (ops/dynamic_map.hpp) it differs by its rounding.
const std::array<float, 256>& nested_map();

/// Whole blocks of 64, but for the last of a matrix: codes, two in a byte, the first in the upper half, and
/// each block's largest magnitude. A code is that of the nearest number of kNf4Map. codes has (n + 1) / 2
/// bytes, absmax one number per block. False where a value is not finite.
bool quantize_nf4(std::span<const float> values, std::uint8_t* codes, float* absmax);

/// What is subtracted from scales before they are quantised: their mean, summed in double precision.
/// bitsandbytes sums in float32 in an order that depends on the processor, and may be off in the last digits.
float nested_offset(std::span<const float> absmax);

/// Codes of absmax - offset by nested_map() and the largest magnitude of each 256. As in bitsandbytes, whose
/// table of nearest codes has 65536 entries, a number close to the middle between two of the map may become
/// either.
void quantize_absmax(std::span<const float> absmax, float offset, std::uint8_t* codes, float* nested_absmax);

/// One row of int8: codes = round(value * 127 / largest magnitude) of values that were first rounded to
/// float16, as bitsandbytes does. Gives that magnitude, which is not finite where a value does not fit
/// float16.
float quantize_int8(std::span<const float> values, std::int8_t* codes);

}  // namespace lorry::model
