// data/text_lines.hpp: the lines of a data file, with the place that a message names.
#pragma once
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace lorry::data {

/// By its name, whether a data file is .txt or .jsonl. Throws Error where it is neither.
bool is_plain_text(const std::filesystem::path& path);

/// Leaves out the mark with which some editors begin a file.
std::string_view without_byte_order_mark(std::string_view text);

/// Calls take(line, "FILE:NUMBER") for every line, without its newline.
void for_each_line(std::string_view text, const std::string& file,
                   const std::function<void(std::string_view line, const std::string& where)>& take);

/// Nothing but spaces.
bool is_blank(std::string_view line);

/// Throws Error where the line is not UTF-8.
void check_utf8(std::string_view line, const std::string& where);

/// Throws Error where the line is not one JSON object in UTF-8. Keeps the order of its keys.
nlohmann::ordered_json parse_object(std::string_view line, const std::string& where);

}  // namespace lorry::data
