// text/byte_alphabet.hpp: the 256 printable characters that byte-level vocabularies write for the 256 bytes
// (GPT-2's encoder.py): printable Latin-1 bytes stand for themselves, the others follow in order from U+0100.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lorry::text {

/// U+0021 to U+0143.
char32_t byte_to_char(std::uint8_t byte);

/// Nothing if `c` is not one of the 256 characters.
std::optional<std::uint8_t> char_to_byte(char32_t c);

/// Appends the characters of `bytes` to `out` as UTF-8.
void append_byte_chars(std::string& out, std::string_view bytes);

}  // namespace lorry::text
