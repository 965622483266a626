// Text from files, made fit to be shown.
#include "report/escape.hpp"

#include <gtest/gtest.h>

namespace lorry::report {
namespace {

TEST(Printable, IsOneLineWithoutControls) {
  EXPECT_EQ(printable("a\tb\r\nc"), "a b  c");
  EXPECT_EQ(printable("\x1b[2J\x7f"), "�[2J�");
  EXPECT_EQ(printable("\xc2\x9b"), "�");                                 // a control character in two bytes
  EXPECT_EQ(printable("\xe2\x80\xae"), "�");                             // right-to-left override
  EXPECT_EQ(printable("\xef\xbf\xbf"), "�");                             // U+FFFF, which XML forbids
  EXPECT_EQ(printable("\xed\xa0\x80").find("\xed"), std::string::npos);  // a surrogate
  EXPECT_EQ(printable("‖ΔW‖ é 日本 🚚"), "‖ΔW‖ é 日本 🚚");
}

TEST(Escaped, LeavesNoMarkup) {
  EXPECT_EQ(escaped("<a href='x'>\"&amp;"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;amp;");
}

TEST(Elided, KeepsBeginningAndEnd) {
  EXPECT_EQ(elided("layers.10.mlp.down_proj", 23), "layers.10.mlp.down_proj");
  EXPECT_EQ(elided("layers.10.mlp.down_proj", 12), "layers…_proj");
  EXPECT_EQ(elided("abcdef", 3), "a…f");
  EXPECT_EQ(display_width(elided("日本語日本語日本語", 8)), 7);  // an odd column stays free
}

TEST(DisplayWidth, CountsColumns) {
  EXPECT_EQ(display_width("abc"), 3);
  EXPECT_EQ(display_width("日本"), 4);
  EXPECT_EQ(display_width("e\xcc\x81"), 1);  // a combining accent takes none
}

}  // namespace
}  // namespace lorry::report
