#include "text/byte_alphabet.hpp"

#include <array>

#include "text/utf8.hpp"

namespace lorry::text {

namespace {

constexpr bool stands_for_itself(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD);
}

constexpr int kInvented = 68;  // bytes that do not stand for themselves

constexpr std::array<char32_t, 256> make_chars() {
  std::array<char32_t, 256> chars{};
  char32_t next = 0x100;
  for (int b = 0; b < 256; ++b) {
    chars[static_cast<std::size_t>(b)] = stands_for_itself(b) ? static_cast<char32_t>(b) : next++;
  }
  return chars;
}

constexpr std::array<char32_t, 256> kChars = make_chars();

constexpr std::array<std::int16_t, 0x100 + kInvented> make_bytes() {
  std::array<std::int16_t, 0x100 + kInvented> bytes{};
  bytes.fill(-1);
  for (int b = 0; b < 256; ++b) bytes[kChars[static_cast<std::size_t>(b)]] = static_cast<std::int16_t>(b);
  return bytes;
}

constexpr std::array<std::int16_t, 0x100 + kInvented> kBytes = make_bytes();

}  // namespace

char32_t byte_to_char(std::uint8_t byte) {
  return kChars[byte];
}

std::optional<std::uint8_t> char_to_byte(char32_t c) {
  if (c >= kBytes.size() || kBytes[c] < 0) return std::nullopt;
  return static_cast<std::uint8_t>(kBytes[c]);
}

void append_byte_chars(std::string& out, std::string_view bytes) {
  for (const char byte : bytes) append_utf8(out, byte_to_char(static_cast<std::uint8_t>(byte)));
}

}  // namespace lorry::text
