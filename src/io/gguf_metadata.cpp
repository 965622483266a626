// Values of the metadata by key, and the table of ggml's types.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/error.hpp"
#include "io/gguf.hpp"
#include "io/message_text.hpp"

namespace lorry::io {

namespace {

// GGML_QUANT_SIZES of the gguf package.
constexpr std::array kGgmlTypes = {
    GgmlType{0, "F32", 1, 4},         GgmlType{1, "F16", 1, 2},         GgmlType{2, "Q4_0", 32, 18},
    GgmlType{3, "Q4_1", 32, 20},      GgmlType{6, "Q5_0", 32, 22},      GgmlType{7, "Q5_1", 32, 24},
    GgmlType{8, "Q8_0", 32, 34},      GgmlType{9, "Q8_1", 32, 40},      GgmlType{10, "Q2_K", 256, 84},
    GgmlType{11, "Q3_K", 256, 110},   GgmlType{12, "Q4_K", 256, 144},   GgmlType{13, "Q5_K", 256, 176},
    GgmlType{14, "Q6_K", 256, 210},   GgmlType{15, "Q8_K", 256, 292},   GgmlType{16, "IQ2_XXS", 256, 66},
    GgmlType{17, "IQ2_XS", 256, 74},  GgmlType{18, "IQ3_XXS", 256, 98}, GgmlType{19, "IQ1_S", 256, 50},
    GgmlType{20, "IQ4_NL", 32, 18},   GgmlType{21, "IQ3_S", 256, 110},  GgmlType{22, "IQ2_S", 256, 82},
    GgmlType{23, "IQ4_XS", 256, 136}, GgmlType{24, "I8", 1, 1},         GgmlType{25, "I16", 1, 2},
    GgmlType{26, "I32", 1, 4},        GgmlType{27, "I64", 1, 8},        GgmlType{28, "F64", 1, 8},
    GgmlType{29, "IQ1_M", 256, 56},   GgmlType{30, "BF16", 1, 2},       GgmlType{34, "TQ1_0", 256, 54},
    GgmlType{35, "TQ2_0", 256, 66},   GgmlType{39, "MXFP4", 32, 17},    GgmlType{40, "NVFP4", 64, 36},
    GgmlType{41, "Q1_0", 128, 18},
};

std::string shown_value(const GgufValue& value) {
  if (const auto* number = std::get_if<Index>(&value)) return fmt::format("{}", *number);
  if (const auto* real = std::get_if<double>(&value)) return fmt::format("{}", *real);
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* text = std::get_if<std::string>(&value)) return in_quotes(*text);
  return std::string(kind_of(value));
}

std::string value_range(Index low, Index high) {
  return fmt::format("an integer from {} to {}", low, high);
}

}  // namespace

const GgmlType* find_ggml_type(std::uint32_t number) {
  const auto found = std::find_if(kGgmlTypes.begin(), kGgmlTypes.end(),
                                  [&](const GgmlType& type) { return type.number == number; });
  return found == kGgmlTypes.end() ? nullptr : &*found;
}

const GgmlType* find_ggml_type(std::string_view name) {
  const auto found = std::find_if(kGgmlTypes.begin(), kGgmlTypes.end(),
                                  [&](const GgmlType& type) { return type.name == name; });
  return found == kGgmlTypes.end() ? nullptr : &*found;
}

std::optional<Index> ggml_bytes(const GgmlType& type, std::span<const Index> shape) {
  if (shape.empty() || shape.back() % type.elements != 0) return std::nullopt;
  Index bytes = type.bytes;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const Index count = i + 1 == shape.size() ? shape[i] / type.elements : shape[i];
    if (count < 1 || __builtin_mul_overflow(bytes, count, &bytes)) return std::nullopt;
  }
  return bytes;
}

std::string_view kind_of(const GgufValue& value) {
  constexpr std::array<std::string_view, 7> kKinds = {
      "an integer",         "a number",          "true or false",  "a text",
      "a list of integers", "a list of numbers", "a list of texts"};
  return kKinds[value.index()];
}

const GgufValue* GgufMetadata::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

void GgufMetadata::fail(std::string_view key, std::string_view found, std::string_view expected) const {
  throw Error("[load] {}: key {}: found {}; expected {}", file_, in_quotes(key), found, expected);
}

template <class T>
const T* GgufMetadata::find_as(std::string_view key, std::string_view expected) const {
  const GgufValue* const value = find(key);
  if (value == nullptr) return nullptr;
  const T* const typed = std::get_if<T>(value);
  if (typed == nullptr) fail(key, shown_value(*value), expected);
  return typed;
}

std::optional<Index> GgufMetadata::find_index(std::string_view key, Index low, Index high) const {
  const Index* const value = find_as<Index>(key, value_range(low, high));
  if (value == nullptr) return std::nullopt;
  if (*value < low || *value > high) fail(key, fmt::format("{}", *value), value_range(low, high));
  return *value;
}

Index GgufMetadata::get_index(std::string_view key, Index low, Index high) const {
  const std::optional<Index> value = find_index(key, low, high);
  if (!value) fail(key, "nothing", value_range(low, high));
  return *value;
}

std::optional<double> GgufMetadata::find_number(std::string_view key) const {
  const GgufValue* const value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* integer = std::get_if<Index>(value)) return static_cast<double>(*integer);
  const auto* const number = std::get_if<double>(value);
  if (number == nullptr || !std::isfinite(*number)) fail(key, shown_value(*value), "a finite number");
  return *number;
}

std::optional<bool> GgufMetadata::find_bool(std::string_view key) const {
  const bool* const value = find_as<bool>(key, "true or false");
  return value == nullptr ? std::nullopt : std::optional(*value);
}

const std::string* GgufMetadata::find_string(std::string_view key) const {
  return find_as<std::string>(key, "a text");
}

const std::string& GgufMetadata::get_string(std::string_view key) const {
  const std::string* const value = find_string(key);
  if (value == nullptr) fail(key, "nothing", "a text");
  return *value;
}

const std::vector<std::string>* GgufMetadata::find_strings(std::string_view key) const {
  return find_as<std::vector<std::string>>(key, "a list of texts");
}

const std::vector<Index>* GgufMetadata::find_indices(std::string_view key) const {
  return find_as<std::vector<Index>>(key, "a list of integers");
}

const std::vector<double>* GgufMetadata::find_numbers(std::string_view key) const {
  return find_as<std::vector<double>>(key, "a list of numbers");
}

}  // namespace lorry::io
