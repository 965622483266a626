#include "io/text_file.hpp"

#include "io/io_support.hpp"

namespace lorry::io {
namespace {

TEST(TextFile, ReadsBackEveryByte) {
  const ScratchFolder folder;
  const std::string text("line\r\n\0\xff end", 12);
  write_text_file(folder / "a", text);
  EXPECT_EQ(read_text_file(folder / "a"), text);
  write_text_file(folder / "a", "");
  EXPECT_EQ(read_text_file(folder / "a"), "");
  EXPECT_EQ(folder.names(), std::vector<std::string>{"a"});
}

TEST(TextFile, RefusesMoreThanItsLimit) {
  const ScratchFolder folder;
  put(folder / "a", "12345");
  EXPECT_EQ(read_text_file(folder / "a", 5), "12345");
  EXPECT_EQ(error_of([&] { read_text_file(folder / "a", 4); }),
            "[load] " + (folder / "a").string() + ": found 5 B; expected at most 4 B");
}

}  // namespace
}  // namespace lorry::io
