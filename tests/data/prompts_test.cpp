#include "data/prompts.hpp"

#include <gtest/gtest.h>

#include "io/io_support.hpp"

namespace lorry::data {
namespace {

using Prompts = std::vector<std::string>;

class ReadPrompts : public ::testing::Test {
 protected:
  Prompts read(const std::string& name, std::string_view bytes) {
    io::put(scratch_ / name, bytes);
    return read_prompts(scratch_ / name);
  }
  /// The Error's text behind the file's path.
  std::string message(const std::string& name, std::string_view bytes) {
    const std::string text = io::error_of([&] { read(name, bytes); });
    const std::string path = (scratch_ / name).string();
    const std::size_t at = text.find(path);
    return at == std::string::npos ? text : text.substr(at + path.size());
  }

 private:
  io::ScratchFolder scratch_;
};

TEST_F(ReadPrompts, TakesTheObjectsPromptAlone) {
  EXPECT_EQ(read("a.jsonl", "\xEF\xBB\xBF{\"prompt\": \"a\", \"completion\": \"b\"}\r\n\n{\"prompt\": \"\"}"),
            (Prompts{"a", ""}));
}

TEST_F(ReadPrompts, TakesALineOfTextEach) {
  EXPECT_EQ(read("a.txt", " one\r\n\n \ntwo \n"), (Prompts{" one", "two "}));
}

TEST_F(ReadPrompts, NamesTheLineOfAMistake) {
  EXPECT_EQ(message("a.jsonl", "{\"prompt\": \"a\"}\n{\"text\": \"b\"}\n"),
            R"(:2: key "prompt": missing; expected text to continue)");
  EXPECT_EQ(message("a.jsonl", "{\"prompt\": 3}\n"), R"(:1: key "prompt": found number; expected a string)");
  EXPECT_EQ(message("a.jsonl", "[1]\n"), ":1: found array; expected an object");
  EXPECT_EQ(message("a.txt", "a\n\xFF\n"),
            ":2: invalid UTF-8 at byte 1 of the line; expected a file in UTF-8");
  EXPECT_EQ(message("a.txt", "\n\n"), ": empty data; expected at least one prompt");
  EXPECT_EQ(message("a.csv", "a"), R"(: found a file ending in ".csv"; expected .jsonl or .txt)");
}

}  // namespace
}  // namespace lorry::data
