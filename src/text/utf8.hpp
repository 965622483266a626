// text/utf8.hpp: UTF-8 in and out. Everything behind the tokenizer's entrance may assume valid UTF-8, because
// encode and decode repair their input here first.
#pragma once
#include <string>
#include <string_view>

#include "core/index.hpp"

namespace lorry::text {

inline constexpr char32_t kLargestCodePoint = 0x10FFFF;
inline constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

struct CodePoint {
  char32_t value;
  Index length;  // bytes, 1 to 4
};

/// The code point that starts at byte `at`. `text` must be valid UTF-8 and `at` the start of a character.
CodePoint decode_utf8(std::string_view text, Index at);

void append_utf8(std::string& out, char32_t code_point);

/// `bytes` with every maximal ill-formed part replaced by U+FFFD, exactly as Python's decode("utf-8",
/// "replace").
std::string replace_invalid_utf8(std::string_view bytes);

[[nodiscard]] bool is_valid_utf8(std::string_view bytes);

/// Bytes at the end of `bytes` that start a character and only lack continuation bytes: 0 to 3.
Index unfinished_tail(std::string_view bytes);

/// Calls `visit(code_point, begin, end)` for each character of valid UTF-8.
template <class Visit>
void for_each_code_point(std::string_view text, Visit visit) {
  for (Index at = 0; at < std::ssize(text);) {
    const CodePoint c = decode_utf8(text, at);
    visit(c.value, at, at + c.length);
    at += c.length;
  }
}

}  // namespace lorry::text
