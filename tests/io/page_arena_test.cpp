#include "io/page_arena.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace lorry::io {
namespace {

constexpr Index kHugePage = Index{2} << 20;

TEST(PageArena, PagesMoveToALargerAndToASmallerOne) {
  for (const Index bytes : {Index{100}, Index{4096}, kHugePage - 5, 3 * kHugePage + 12345}) {
    for (const Index other : {Index{4097}, kHugePage, 5 * kHugePage + 1}) {
      PageArena from(bytes), to(other);
      std::fill_n(from.data(), bytes, std::byte{7});
      to.take_pages(from);
      // What a page holds is nobody's business, but it is there, and the old one is empty.
      std::fill_n(to.data(), other, std::byte{9});
      EXPECT_EQ(std::count(to.data(), to.data() + other, std::byte{9}), other);
      EXPECT_EQ(std::count(from.data(), from.data() + bytes, std::byte{0}), bytes);
      std::fill_n(from.data(), bytes, std::byte{1});
      EXPECT_EQ(to.data()[other - 1], std::byte{9});
    }
  }
}

TEST(PageArena, DroppedPagesAreEmpty) {
  PageArena arena(3 * kHugePage + 7);
  std::fill_n(arena.data(), arena.bytes(), std::byte{7});
  arena.drop();
  EXPECT_EQ(std::count(arena.data(), arena.data() + arena.bytes(), std::byte{0}), arena.bytes());
}

}  // namespace
}  // namespace lorry::io
