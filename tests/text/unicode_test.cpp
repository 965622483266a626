// Character classes and normal forms of every code point against Hugging Face tokenizers.
#include "text/unicode.hpp"

#include <gtest/gtest.h>

#include "text/golden_support.hpp"
#include "text/regex.hpp"
#include "text/utf8.hpp"

namespace lorry::text {
namespace {

std::vector<char32_t> all_code_points() {
  std::vector<char32_t> all;
  for (char32_t c = 0; c <= kLargestCodePoint; ++c) {
    if (c < 0xD800 || c > 0xDFFF) all.push_back(c);
  }
  return all;
}

// Behind a letter and before a mark (a cedilla) that it may compose with.
std::string in_context(char32_t c) {
  std::string out = "a";
  append_utf8(out, c);
  append_utf8(out, 0x327);
  return out;
}

TEST(Unicode, ExpressionsMatchTheSameCharacters) {
  const auto golden = read_golden("unicode.json");
  std::string text;
  for (const char32_t c : all_code_points()) append_utf8(text, c);
  for (const auto& [pattern, expected] : golden["patterns"].items()) {
    std::vector<bool> matched(kLargestCodePoint + 1, false);
    for (const Span& span : Regex(pattern).find_all(text)) {
      const auto piece = std::string_view(text).substr(static_cast<std::size_t>(span.begin),
                                                       static_cast<std::size_t>(span.end - span.begin));
      for_each_code_point(piece, [&](char32_t c, Index, Index) { matched[c] = true; });
    }
    std::string flags;
    for (const char32_t c : all_code_points()) flags += matched[c] ? '\1' : '\0';
    EXPECT_EQ(crc32(flags), expected.get<std::uint32_t>()) << pattern;
  }
}

TEST(Unicode, PredicatesHoldForTheSameCharacters) {
  const auto golden = read_golden("unicode.json")["cuts"];
  const auto sum = [](auto holds) {
    std::string flags;
    for (const char32_t c : all_code_points()) flags += holds(c) ? '\1' : '\0';
    return crc32(flags);
  };
  EXPECT_EQ(sum(is_number), golden["Digits"]);
  EXPECT_EQ(sum(is_punctuation), golden["Punctuation"]);
  EXPECT_EQ(sum(is_whitespace), golden["WhitespaceSplit"]);
  // Between two letters, Whitespace cuts at what is no word character.
  EXPECT_EQ(sum([](char32_t c) { return !is_word_character(c); }), golden["Whitespace"]);
}

TEST(Unicode, NormalFormsAreTheSame) {
  const auto golden = read_golden("unicode.json")["normal_forms"];
  const auto sum = [](auto form) {
    std::uint32_t crc = 0;
    for (const char32_t c : all_code_points()) crc = crc32(form(in_context(c)) + "\xFF", crc);
    return crc;
  };
  EXPECT_EQ(sum([](const std::string& s) { return normalize(s, NormalForm::kNfc); }), golden["NFC"]);
  EXPECT_EQ(sum([](const std::string& s) { return normalize(s, NormalForm::kNfd); }), golden["NFD"]);
  EXPECT_EQ(sum([](const std::string& s) { return normalize(s, NormalForm::kNfkc); }), golden["NFKC"]);
  EXPECT_EQ(sum([](const std::string& s) { return normalize(s, NormalForm::kNfkd); }), golden["NFKD"]);
  EXPECT_EQ(sum([](const std::string& s) { return to_lower(s); }), golden["Lowercase"]);
}

}  // namespace
}  // namespace lorry::text
