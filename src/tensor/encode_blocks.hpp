// tensor/encode_blocks.hpp: numbers made into GGUF's blocks: the other way of tensor/packed.hpp's unpack_row.
#pragma once
#include <cstddef>
#include <span>

#include "tensor/packed.hpp"

namespace lorry {

/// Encodes whole blocks of a GGUF format; `to` has their bytes. Q8_0, Q4_0, Q4_1, Q5_0 and Q5_1 to the bit as
/// the `gguf` package does; Q2_K to Q6_K and IQ4_NL by a search for the scales (and minima) that lose the
/// least sum of squares, which finds those of numbers that were unpacked from such a block. Every machine
/// gives the same bits. Numbers that are not finite, or too large for the format's float16 scales, give
/// blocks that unpack to such.
void encode_blocks(BlockFormat format, std::span<const float> values, std::byte* to);

/// Of Q2_K to Q6_K alone; one block of 256.
void encode_k_block(BlockFormat format, const float* values, std::uint8_t* to);

}  // namespace lorry
