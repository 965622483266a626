#include "text/utf8.hpp"

#include <gtest/gtest.h>

namespace lorry::text {
namespace {

// What Python's bytes.decode("utf-8", "replace") gives: one U+FFFD per maximal ill-formed part.
TEST(Utf8, ReplacesIllFormedPartsAsPythonDoes) {
  EXPECT_EQ(replace_invalid_utf8("a\x80z"), "a\uFFFDz");
  EXPECT_EQ(replace_invalid_utf8("\xE2\x82"), "\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xE2\x28\xA1"), "\uFFFD(\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xC0\x80"), "\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xF0\x9F\x98x"), "\uFFFDx");
  EXPECT_EQ(replace_invalid_utf8("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xF0\x9F\x98\x80 \xC3\xA9"), "😀 é");
}

TEST(Utf8, UnfinishedTailIsOnlyWhatMoreBytesCouldComplete) {
  EXPECT_EQ(unfinished_tail("abc"), 0);
  EXPECT_EQ(unfinished_tail("a\xC3"), 1);
  EXPECT_EQ(unfinished_tail("\xF0\x9F\x98"), 3);
  EXPECT_EQ(unfinished_tail("\xF0\x9F\x98\x80"), 0);
  EXPECT_EQ(unfinished_tail("\xE0\x80"), 0);  // already ill-formed
  EXPECT_EQ(unfinished_tail("\x80\x80\x80"), 0);
}

TEST(Utf8, EveryCodePointComesBack) {
  for (char32_t c = 0; c <= kLargestCodePoint; ++c) {
    std::string text;
    append_utf8(text, c);
    ASSERT_EQ(decode_utf8(text, 0).value, c);
    ASSERT_EQ(decode_utf8(text, 0).length, std::ssize(text));
  }
}

}  // namespace
}  // namespace lorry::text
