// io/crc32c.hpp: the checksum of TFRecord files: CRC-32C (Castagnoli, RFC 3720 appendix B.4), masked.
#pragma once
#include <cstdint>
#include <string_view>

namespace lorry::io {

std::uint32_t crc32c(std::string_view bytes);

/// Rotated and shifted as TFRecord stores it, so that the checksum of data that hold checksums stays a good
/// one.
std::uint32_t masked_crc32c(std::string_view bytes);

}  // namespace lorry::io
