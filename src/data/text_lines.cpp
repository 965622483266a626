#include "data/text_lines.hpp"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>

#include "core/error.hpp"
#include "core/index.hpp"
#include "io/message_text.hpp"

namespace lorry::data {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

Index find_invalid_utf8(std::string_view text) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto size = static_cast<utf8proc_ssize_t>(text.size());
  for (utf8proc_ssize_t at = 0; at < size;) {
    utf8proc_int32_t code = 0;
    const utf8proc_ssize_t length = utf8proc_iterate(bytes + at, size - at, &code);
    if (length < 0) return at;
    at += length;
  }
  return -1;
}

}  // namespace

bool is_plain_text(const std::filesystem::path& path) {
  const std::string extension = path.extension().string();
  if (extension != ".txt" && extension != ".jsonl") {
    throw Error("[data] {}: found a file ending in {}; expected .jsonl or .txt", path.string(),
                io::in_quotes(extension));
  }
  return extension == ".txt";
}

std::string_view without_byte_order_mark(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return text;
}

void for_each_line(std::string_view text, const std::string& file,
                   const std::function<void(std::string_view line, const std::string& where)>& take) {
  for (Index number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    take(text.substr(0, end), fmt::format("{}:{}", file, number));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

void check_utf8(std::string_view line, const std::string& where) {
  const Index invalid = find_invalid_utf8(line);
  if (invalid < 0) return;
  throw Error("[data] {}: invalid UTF-8 at byte {} of the line; expected a file in UTF-8", where,
              invalid + 1);
}

nlohmann::ordered_json parse_object(std::string_view line, const std::string& where) {
  check_utf8(line, where);
  nlohmann::ordered_json value;
  try {
    value = nlohmann::ordered_json::parse(line);
  } catch (const nlohmann::json::parse_error& error) {
    throw Error("[data] {}: malformed JSON at byte {} of the line; expected one whole object per line", where,
                error.byte);
  } catch (const nlohmann::json::exception&) {
    throw Error("[data] {}: malformed JSON: a number beyond all range; expected one whole object per line",
                where);
  }
  if (!value.is_object()) throw Error("[data] {}: found {}; expected an object", where, value.type_name());
  return value;
}

}  // namespace lorry::data
