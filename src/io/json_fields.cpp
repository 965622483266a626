#include "io/json_fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "core/error.hpp"
#include "io/message_text.hpp"

namespace lorry::io {

namespace {

std::string shown(const Json& value) {
  constexpr std::size_t kLongest = 100;
  if (value.is_string()) return in_quotes(value.get_ref<const std::string&>());
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return text;
}

std::string range_text(Index least, Index most) {
  if (most != std::numeric_limits<Index>::max()) return fmt::format("an integer from {} to {}", least, most);
  if (least == 1) return "a positive integer";
  if (least == 0) return "a non-negative integer";
  return fmt::format("an integer of at least {}", least);
}

const Json& required(const Json* value, std::string_view field, std::string_view file,
                     std::string_view expected) {
  if (value == nullptr) throw_field_error(file, field, nullptr, expected);
  return *value;
}

template <class T>
T required(std::optional<T> value, std::string_view field, std::string_view file, std::string_view expected) {
  if (!value) throw_field_error(file, field, nullptr, expected);
  return *std::move(value);
}

constexpr std::string_view kNumber = "a finite number";
constexpr std::string_view kBool = "true or false";
constexpr std::string_view kString = "a string";
constexpr std::string_view kStrings = "a list of strings";
constexpr std::string_view kArray = "a list";
constexpr std::string_view kObject = "an object";

}  // namespace

void throw_field_error(std::string_view file, std::string_view field, const Json* found,
                       std::string_view expected) {
  if (found == nullptr)
    throw Error("[load] {}: field {}: missing; expected {}", file, in_quotes(field), expected);
  throw Error("[load] {}: field {}: found {}; expected {}", file, in_quotes(field), shown(*found), expected);
}

const Json* find_field(const Json& object, std::string_view field, std::string_view file) {
  if (!object.is_object()) throw Error("[load] {}: found {}; expected an object", file, shown(object));
  const Json* value = &object;
  for (std::size_t begin = 0; begin <= field.size();) {
    const std::size_t end = std::min(field.find('.', begin), field.size());
    if (!value->is_object()) throw_field_error(file, field.substr(0, begin - 1), value, kObject);
    const auto found = value->find(std::string(field.substr(begin, end - begin)));
    if (found == value->end() || found->is_null()) return nullptr;
    value = &*found;
    begin = end + 1;
  }
  return value;
}

std::optional<Index> find_index(const Json& object, std::string_view field, std::string_view file,
                                Index least, Index most) {
  const Json* value = find_field(object, field, file);
  if (value == nullptr) return std::nullopt;
  // An unsigned value beyond Index would wrap in get<Index>().
  const bool fits =
      value->is_number_integer() &&
      !(value->is_number_unsigned() &&
        value->get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<Index>::max()));
  if (!fits || value->get<Index>() < least || value->get<Index>() > most) {
    throw_field_error(file, field, value, range_text(least, most));
  }
  return value->get<Index>();
}

std::optional<double> find_number(const Json& object, std::string_view field, std::string_view file) {
  const Json* value = find_field(object, field, file);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number() || !std::isfinite(value->get<double>())) {
    throw_field_error(file, field, value, kNumber);
  }
  return value->get<double>();
}

std::optional<bool> find_bool(const Json& object, std::string_view field, std::string_view file) {
  const Json* value = find_field(object, field, file);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) throw_field_error(file, field, value, kBool);
  return value->get<bool>();
}

std::optional<std::string> find_string(const Json& object, std::string_view field, std::string_view file) {
  const Json* value = find_field(object, field, file);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) throw_field_error(file, field, value, kString);
  return value->get<std::string>();
}

std::optional<std::vector<std::string>> find_strings(const Json& object, std::string_view field,
                                                     std::string_view file) {
  const Json* value = find_field(object, field, file);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array()) throw_field_error(file, field, value, kStrings);
  std::vector<std::string> strings;
  for (const Json& item : *value) {
    if (!item.is_string()) throw_field_error(file, field, value, kStrings);
    strings.push_back(item.get<std::string>());
  }
  return strings;
}

Index get_index(const Json& object, std::string_view field, std::string_view file, Index least, Index most) {
  return required(find_index(object, field, file, least, most), field, file, range_text(least, most));
}

double get_number(const Json& object, std::string_view field, std::string_view file) {
  return required(find_number(object, field, file), field, file, kNumber);
}

bool get_bool(const Json& object, std::string_view field, std::string_view file) {
  return required(find_bool(object, field, file), field, file, kBool);
}

std::string get_string(const Json& object, std::string_view field, std::string_view file) {
  return required(find_string(object, field, file), field, file, kString);
}

std::vector<std::string> get_strings(const Json& object, std::string_view field, std::string_view file) {
  return required(find_strings(object, field, file), field, file, kStrings);
}

const Json& get_array(const Json& object, std::string_view field, std::string_view file) {
  const Json& value = required(find_field(object, field, file), field, file, kArray);
  if (!value.is_array()) throw_field_error(file, field, &value, kArray);
  return value;
}

const Json& get_object(const Json& object, std::string_view field, std::string_view file) {
  const Json& value = required(find_field(object, field, file), field, file, kObject);
  if (!value.is_object()) throw_field_error(file, field, &value, kObject);
  return value;
}

}  // namespace lorry::io
