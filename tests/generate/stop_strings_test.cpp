#include "generate/stop_strings.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"

namespace lorry::generate {
namespace {

TEST(StopStrings, HoldsBackOnlyWhatMayBeginOne) {
  StopStrings stops({"<end>"});
  EXPECT_EQ(stops.push("one <"), "one ");
  EXPECT_EQ(stops.push("e"), "");
  EXPECT_EQ(stops.push("x <en"), "<ex ");
  EXPECT_EQ(stops.push("d"), "");
  EXPECT_FALSE(stops.found());
  EXPECT_EQ(stops.push("> more"), "");
  EXPECT_TRUE(stops.found());
  EXPECT_EQ(stops.push("and more"), "");
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopStrings, TheOneThatBeginsFirstCuts) {
  StopStrings stops({"bcd", "abcde", "d"});
  EXPECT_EQ(stops.push("xab"), "x");
  EXPECT_EQ(stops.push("cdef"), "");
  EXPECT_TRUE(stops.found());

  StopStrings other({"cd", "bcd"});
  EXPECT_EQ(other.push("abcd"), "a");
  EXPECT_TRUE(other.found());
}

TEST(StopStrings, FindsOneWhoseBeginningRepeats) {
  StopStrings stops({"aab"});
  std::string text;
  for (const char* piece : {"a", "a", "a", "a", "b", "c"}) text += stops.push(piece);
  EXPECT_EQ(text, "aa");
  EXPECT_TRUE(stops.found());
}

TEST(StopStrings, GivesBackWhatWasHeldAtTheEnd) {
  StopStrings stops({"\n\n"});
  EXPECT_EQ(stops.push("a\n"), "a");
  EXPECT_EQ(stops.finish(), "\n");
  EXPECT_FALSE(stops.found());
}

TEST(StopStrings, NoneLetsAllPass) {
  StopStrings stops({});
  EXPECT_EQ(stops.push("a\n"), "a\n");
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopStrings, RefusesAnEmptyOne) {
  EXPECT_THROW(StopStrings({"a", ""}), Error);
}

}  // namespace
}  // namespace lorry::generate
