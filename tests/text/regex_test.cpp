#include "text/regex.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"

namespace lorry::text {
namespace {

std::vector<std::string> matches(const std::string& pattern, const std::string& text) {
  std::vector<std::string> out;
  for (const Span& span : Regex(pattern).find_all(text)) {
    out.push_back(
        text.substr(static_cast<std::size_t>(span.begin), static_cast<std::size_t>(span.end - span.begin)));
  }
  return out;
}

TEST(Regex, EmptyMatchesAreFoundButNotRightBehindAnother) {
  EXPECT_EQ(matches("\\d*", "a1b22"), (std::vector<std::string>{"", "1", "22"}));
  EXPECT_EQ(matches("x?", "é"), (std::vector<std::string>{"", ""}));
}

TEST(Regex, WhiteSpaceIsUnicodesAndNotTheMongolianSeparator) {
  EXPECT_EQ(matches("\\s", "\u0085\u00A0\u180E\u3000").size(), 3U);
  EXPECT_EQ(matches("[^\\s]", "\u0085\u00A0\u180E\u3000"), (std::vector<std::string>{"\u180E"}));
}

TEST(Regex, LongTextsNeedNoStack) {
  const std::string spaces(1000000, ' ');
  EXPECT_EQ(matches(R"(\s*[\r\n]+|\s+(?!\S)|\s+)", spaces).size(), 1U);
  EXPECT_EQ(matches("(?:a|b)+", std::string(200000, 'a')).size(), 1U);
}

TEST(Regex, WhatOnigurumaReadsDifferentlyIsRefusedByName) {
  for (const std::string pattern :
       {R"(\h)", R"(\bx)", R"([a[bc]])", R"([a&&b])", R"(a{2}+)", R"(a{2}?)", R"(\p{Greek})", R"([\P{L}])",
        R"((?<name>a))", R"((?m:a))", R"(\1)", R"([[:alpha:]])", "a\\", "[a"}) {
    try {
      Regex refused(pattern);
      ADD_FAILURE() << pattern << " was accepted";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(pattern), std::string::npos) << error.what();
    }
  }
}

TEST(Regex, MalformedIsAnError) {
  EXPECT_THROW(Regex("(a"), Error);
  EXPECT_THROW(Regex("*"), Error);
}

}  // namespace
}  // namespace lorry::text
