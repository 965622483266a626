#include "text/regex.hpp"
#include "text/unicode.hpp"
#include "text/utf8.hpp"

namespace lorry::text {

bool is_word_character(char32_t c) {
  if (c < 0x80) return c == '_' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
  if (c == 0x200C || c == 0x200D) return true;
  // Only PCRE2 knows Alphabetic here. Rarely asked: beside an added token marked single_word.
  static const Regex kWord(R"([\w])");
  std::string text;
  append_utf8(text, c);
  return !kWord.find_all(text).empty();
}

}  // namespace lorry::text
