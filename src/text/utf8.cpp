#include "text/utf8.hpp"

#include <algorithm>
#include <cstdint>

namespace lorry::text {

namespace {

// One sequence read from untrusted bytes. An ill-formed one covers its "maximal subpart" (Unicode 3.9, table
// 3-7).
struct Sequence {
  Index length;
  bool valid;
  bool cut_short;  // ill-formed only because the bytes end
};

std::uint8_t byte_at(std::string_view text, Index at) {
  return static_cast<std::uint8_t>(text[static_cast<std::size_t>(at)]);
}

Sequence read_sequence(std::string_view bytes, Index at) {
  const std::uint8_t lead = byte_at(bytes, at);
  if (lead < 0x80) return {1, true, false};
  const Index need = lead >= 0xC2 && lead <= 0xDF   ? 2
                     : (lead & 0xF0) == 0xE0        ? 3
                     : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                    : 0;
  if (need == 0) return {1, false, false};
  // The second byte's range excludes overlong forms, surrogates and values above U+10FFFF.
  const std::uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const std::uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (Index i = 1; i < need; ++i) {
    if (at + i >= std::ssize(bytes)) return {i, false, true};
    const std::uint8_t b = byte_at(bytes, at + i);
    if (b < (i == 1 ? low : 0x80) || b > (i == 1 ? high : 0xBF)) return {i, false, false};
  }
  return {need, true, false};
}

}  // namespace

CodePoint decode_utf8(std::string_view text, Index at) {
  const char32_t b0 = byte_at(text, at);
  if (b0 < 0x80) return {b0, 1};
  const char32_t b1 = byte_at(text, at + 1) & 0x3FU;
  if (b0 < 0xE0) return {(b0 & 0x1FU) << 6 | b1, 2};
  const char32_t b2 = byte_at(text, at + 2) & 0x3FU;
  if (b0 < 0xF0) return {(b0 & 0x0FU) << 12 | b1 << 6 | b2, 3};
  const char32_t b3 = byte_at(text, at + 3) & 0x3FU;
  return {(b0 & 0x07U) << 18 | b1 << 12 | b2 << 6 | b3, 4};
}

void append_utf8(std::string& out, char32_t c) {
  const auto put = [&out](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0 | c >> 6);
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
  }
  put(0x80 | (c & 0x3F));
}

std::string replace_invalid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (Index at = 0; at < std::ssize(bytes);) {
    const Sequence s = read_sequence(bytes, at);
    out += s.valid ? bytes.substr(static_cast<std::size_t>(at), static_cast<std::size_t>(s.length))
                   : kReplacement;
    at += s.length;
  }
  return out;
}

bool is_valid_utf8(std::string_view bytes) {
  for (Index at = 0; at < std::ssize(bytes);) {
    const Sequence s = read_sequence(bytes, at);
    if (!s.valid) return false;
    at += s.length;
  }
  return true;
}

Index unfinished_tail(std::string_view bytes) {
  for (Index back = 1; back <= std::min<Index>(3, std::ssize(bytes)); ++back) {
    const Index at = std::ssize(bytes) - back;
    if (byte_at(bytes, at) >= 0xC0) {
      const Sequence s = read_sequence(bytes, at);
      return s.cut_short && s.length == back ? back : 0;
    }
  }
  return 0;
}

}  // namespace lorry::text
