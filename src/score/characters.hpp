// score/characters.hpp: code points of a text, as the tokenizers of the metrics look at them.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lorry::score {

/// An ill-formed byte counts as U+FFFD.
std::vector<std::int32_t> code_points(std::string_view text);
void append_utf8(std::int32_t code_point, std::string& text);

/// What Python's str.split() splits at.
bool is_space(std::int32_t code_point);
/// A letter, mark or digit of any script.
bool is_word_character(std::int32_t code_point);
bool is_digit(std::int32_t code_point);  // 0 to 9

std::string lowercase(std::string_view text);

}  // namespace lorry::score
