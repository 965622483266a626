// text/unicode.hpp: character classes, lower case and normal forms as Hugging Face tokenizers has them.
#pragma once
#include <string>
#include <string_view>

namespace lorry::text {

/// The White_Space property.
bool is_whitespace(char32_t c);

/// General category Nd, Nl or No.
bool is_number(char32_t c);

/// ASCII punctuation, or general category P.
bool is_punctuation(char32_t c);

/// \w of Rust's regex crate: Alphabetic, a mark, decimal digit, connector or one of the two joiners.
bool is_word_character(char32_t c);

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

/// `text` must be valid UTF-8.
std::string normalize(std::string_view text, NormalForm form);

/// Character by character, so a capital sigma never becomes a final one. `text` must be valid UTF-8.
std::string to_lower(std::string_view text);

}  // namespace lorry::text
