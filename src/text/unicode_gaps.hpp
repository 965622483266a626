// text/unicode_gaps.hpp: where our Unicode tables (PCRE2 10.42: version 14; utf8proc 2.8) and those inside
// Hugging Face tokenizers 0.23 (Oniguruma: 16; its normalisation crate: 9; Rust: 17) disagree. A tokenizer
// must give the same ids for every text, newly assigned characters included. The tables were made by asking
// the peer about every code point; tests/text/unicode_test.cpp compares all of them again.
#pragma once
#include <span>
#include <string_view>

namespace lorry::text {

struct CodeRange {
  char32_t first, last;
};

/// Code points that the peer's regular expressions count to
/// `category` and PCRE2 10.42 does not. Known
/// categories: Lu Ll Lm Lo M Nd No P S; empty for others.
std::span<const CodeRange> later_code_points(std::string_view category);

/// Characters that the peer's normal forms leave alone: no decomposition, combining class 0.
bool is_inert_in_normalization(char32_t c);

/// Numbers (Nd, Nl, No) of Unicode 15 to 17.
bool is_later_number(char32_t c);

/// Differences from general category P plus ASCII punctuation.
bool is_punctuation_only_there(char32_t c);
bool is_punctuation_only_here(char32_t c);

}  // namespace lorry::text
