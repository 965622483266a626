#include "text/json_field.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "core/error.hpp"

namespace lorry::text {

namespace {

constexpr std::size_t kShownValue = 80;  // characters of a value that a message quotes

std::string shown(const nlohmann::json& value) {
  if (value.is_array()) return fmt::format("a list of {}", value.size());
  if (value.is_object()) {
    const auto type = value.find("type");
    const bool named = type != value.end() && type->is_string();
    return named ? "an object of type " + shown(*type) : fmt::format("an object of {} fields", value.size());
  }
  std::string text = value.dump(-1, ' ', true);  // ASCII only, so that it can be cut anywhere
  if (text.size() > kShownValue) text = text.substr(0, kShownValue) + "...";
  return text;
}

/// What the JSON library says, without the name of its exception.
std::string_view fault(std::string_view what) {
  if (what.starts_with("[json.exception.")) what.remove_prefix(std::min(what.find("] ") + 2, what.size()));
  return what;
}

}  // namespace

void JsonField::fail(std::string_view expected) const {
  fail_because(fmt::format("found {}; expected {}", shown(*value_), expected));
}

void JsonField::fail_because(std::string_view what) const {
  throw Error("[load tokenizer] {}: {}{}{}", *file_, path_, path_.empty() ? "" : ": ", what);
}

bool JsonField::has(const char* key) const {
  if (!value_->is_object()) fail("an object");
  const auto member = value_->find(key);
  return member != value_->end() && !member->is_null();
}

JsonField JsonField::at(const char* key) const {
  if (!value_->is_object()) fail("an object");
  const auto member = value_->find(key);
  if (member == value_->end()) fail_because(fmt::format("field \"{}\" is missing", key));
  return {*member, *file_, path_.empty() ? key : path_ + "." + key};
}

Index JsonField::size() const {
  if (!value_->is_array()) fail("a list");
  return std::ssize(*value_);
}

JsonField JsonField::element(Index i) const {
  return {(*value_)[static_cast<std::size_t>(i)], *file_, fmt::format("{}[{}]", path_, i)};
}

std::string JsonField::string() const {
  if (!value_->is_string()) fail("a string");
  return value_->get<std::string>();
}

bool JsonField::boolean() const {
  if (!value_->is_boolean()) fail("true or false");
  return value_->get<bool>();
}

Index JsonField::integer(Index low, Index high) const {
  // An unsigned value beyond Index would wrap, so its range is checked first.
  const bool fits =
      value_->is_number_integer() &&
      (!value_->is_number_unsigned() || value_->get<std::uint64_t>() <= static_cast<std::uint64_t>(high));
  if (!fits || value_->get<Index>() < low || value_->get<Index>() > high) {
    fail(fmt::format("an integer from {} to {}", low, high));
  }
  return value_->get<Index>();
}

bool JsonField::boolean_or(const char* key, bool otherwise) const {
  return has(key) ? at(key).boolean() : otherwise;
}

std::string JsonField::string_or(const char* key, const std::string& otherwise) const {
  return has(key) ? at(key).string() : otherwise;
}

std::string read_file(const std::filesystem::path& file) {
  std::error_code ignored;
  const std::filesystem::file_status status = std::filesystem::status(file, ignored);
  // Opening a named pipe would wait for a writer.
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    throw Error("[load tokenizer] {}: found {}; expected a regular file", file.string(),
                std::filesystem::is_directory(status) ? "a folder" : "a device or pipe");
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw Error("[load tokenizer] {}: cannot be opened; expected a readable file", file.string());
  return {std::istreambuf_iterator<char>(stream), {}};
}

nlohmann::json read_json_file(const std::filesystem::path& file) {
  try {
    return nlohmann::json::parse(read_file(file));
  } catch (const nlohmann::json::exception& error) {
    throw Error("[load tokenizer] {}: not valid JSON: {}", file.string(), fault(error.what()));
  }
}

}  // namespace lorry::text
