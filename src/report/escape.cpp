#include "report/escape.hpp"

#include <utf8proc.h>

#include <vector>

#include "core/check.hpp"
#include "text/utf8.hpp"

namespace lorry::report {

namespace {

bool is_space_control(char32_t c) {
  return c == '\n' || c == '\r' || c == '\t';
}

// Control characters, the marks that turn the direction of text round, line separators and what XML forbids.
bool is_unfit(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x200E && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || (c & 0xFFFE) == 0xFFFE;
}

Index width_of(char32_t c) {
  return utf8proc_charwidth(static_cast<utf8proc_int32_t>(c));
}

}  // namespace

std::string printable(std::string_view text) {
  const std::string valid = text::replace_invalid_utf8(text);
  std::string out;
  text::for_each_code_point(valid, [&](char32_t c, Index begin, Index end) {
    if (is_space_control(c)) {
      out += ' ';
    } else if (is_unfit(c)) {
      out += text::kReplacement;
    } else {
      out.append(valid, static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
    }
  });
  return out;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of("\",\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + '"';
}

Index display_width(std::string_view text) {
  Index width = 0;
  text::for_each_code_point(text, [&](char32_t c, Index, Index) { width += width_of(c); });
  return width;
}

std::string elided(std::string_view text, Index width) {
  LORRY_CHECK(width >= 3);
  if (display_width(text) <= width) return std::string(text);
  const Index tail = (width - 1) / 2;
  const Index head = width - 1 - tail;
  std::string front;
  Index used = 0;
  Index left = display_width(text);
  std::string back;
  text::for_each_code_point(text, [&](char32_t c, Index begin, Index end) {
    const std::string_view bytes =
        text.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
    const Index columns = width_of(c);
    if (back.empty() && used + columns <= head) {
      front += bytes;
      used += columns;
    } else {
      used = head;  // nothing more goes to the front
      if (left <= tail) back += bytes;
    }
    left -= columns;
  });
  return front + "…" + back;
}

}  // namespace lorry::report
