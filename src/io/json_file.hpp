// io/json_file.hpp: JSON files in and out. Their fields: io/json_fields.hpp.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace lorry::io {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;  // keeps the order in which keys were added

inline constexpr int kMaxJsonDepth = 256;

/// Parses `text`; `file` names it in messages. Throws Error with line and column of the first fault, or if it
/// nests deeper than kMaxJsonDepth (copying and destroying such values would overflow the stack).
Json parse_json(std::string_view text, std::string_view file);

/// Reads and parses a file of at most kMaxTextBytes; throws Error.
Json read_json_file(const std::filesystem::path& path);
/// The same with keys in the order of the file.
OrderedJson read_ordered_json_file(const std::filesystem::path& path);

/// Writes with indent 2 and a final newline, atomically (io/atomic_file.hpp). Throws Error, also for strings
/// that are not UTF-8.
void write_json_file(const std::filesystem::path& path, const Json& value);
void write_json_file(const std::filesystem::path& path, const OrderedJson& value);

/// The readable part of what the JSON library says about a fault, fit for a one-line message: "line 1, column
/// 5: ...".
std::string json_fault(std::string_view what);

}  // namespace lorry::io
