#include "score/characters.hpp"

#include <utf8proc.h>

#include <array>

namespace lorry::score {

std::vector<std::int32_t> code_points(std::string_view text) {
  constexpr std::int32_t kReplacement = 0xFFFD;
  std::vector<std::int32_t> points;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto size = static_cast<utf8proc_ssize_t>(text.size());
  for (utf8proc_ssize_t at = 0; at < size;) {
    utf8proc_int32_t point = 0;
    const utf8proc_ssize_t length = utf8proc_iterate(bytes + at, size - at, &point);
    points.push_back(length > 0 ? point : kReplacement);
    at += length > 0 ? length : 1;
  }
  return points;
}

void append_utf8(std::int32_t code_point, std::string& text) {
  std::array<utf8proc_uint8_t, 4> bytes{};
  const utf8proc_ssize_t length = utf8proc_encode_char(code_point, bytes.data());
  text.append(reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(length));
}

bool is_space(std::int32_t code_point) {
  const auto between = [code_point](std::int32_t low, std::int32_t high) {
    return code_point >= low && code_point <= high;
  };
  return between(0x09, 0x0D) || between(0x1C, 0x20) || code_point == 0x85 || code_point == 0xA0 ||
         code_point == 0x1680 || between(0x2000, 0x200A) || between(0x2028, 0x2029) || code_point == 0x202F ||
         code_point == 0x205F || code_point == 0x3000;
}

bool is_word_character(std::int32_t code_point) {
  const utf8proc_category_t category = utf8proc_category(code_point);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
}

bool is_digit(std::int32_t code_point) {
  return code_point >= '0' && code_point <= '9';
}

std::string lowercase(std::string_view text) {
  std::string lower;
  lower.reserve(text.size());
  for (const std::int32_t point : code_points(text)) append_utf8(utf8proc_tolower(point), lower);
  return lower;
}

}  // namespace lorry::score
