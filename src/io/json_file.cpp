#include "io/json_file.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "io/message_text.hpp"
#include "io/text_file.hpp"

namespace lorry::io {

namespace {

/// Deepest nesting of brackets outside strings. Needs no valid JSON.
int nesting_of(std::string_view text) {
  int depth = 0;
  int deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

template <class AnyJson>
AnyJson parse_any(std::string_view text, std::string_view file) {
  if (const int depth = nesting_of(text); depth > kMaxJsonDepth) {
    throw Error("[load] {}: found {} levels of brackets; expected at most {}", file, depth, kMaxJsonDepth);
  }
  try {
    return AnyJson::parse(text);
  } catch (const typename AnyJson::exception& error) {
    throw Error("[load] {}: not valid JSON: {}", file, json_fault(error.what()));
  }
}

template <class AnyJson>
void write_any(const std::filesystem::path& path, const AnyJson& value) {
  std::string text;
  try {
    text = value.dump(2);
  } catch (const Json::type_error&) {
    throw Error("[write] {}: found a string that is not UTF-8; expected UTF-8", path.string());
  }
  write_text_file(path, text + "\n");
}

}  // namespace

std::string json_fault(std::string_view what) {
  constexpr std::string_view kIntroduction = "parse error at ";
  constexpr std::string_view kException = "[json.exception.";
  constexpr std::size_t kLongest = 200;
  if (const auto at = what.find(kIntroduction); at != std::string_view::npos) {
    what.remove_prefix(at + kIntroduction.size());
  } else if (what.starts_with(kException)) {
    what.remove_prefix(std::min(what.find("] ") + 2, what.size()));
  }
  std::string fault(what.substr(0, kLongest));
  if (what.size() > kLongest) fault += "...";
  // The library quotes the text it stumbled over, whatever that is.
  std::replace_if(
      fault.begin(), fault.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return fault;
}

Json parse_json(std::string_view text, std::string_view file) {
  return parse_any<Json>(text, file);
}

Json read_json_file(const std::filesystem::path& path) {
  return parse_any<Json>(read_text_file(path), path.string());
}

OrderedJson read_ordered_json_file(const std::filesystem::path& path) {
  return parse_any<OrderedJson>(read_text_file(path), path.string());
}

void write_json_file(const std::filesystem::path& path, const Json& value) {
  write_any(path, value);
}
void write_json_file(const std::filesystem::path& path, const OrderedJson& value) {
  write_any(path, value);
}

}  // namespace lorry::io
