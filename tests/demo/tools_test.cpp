// The programs that make the embedded data: a file appears whole or not at all.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "io/io_support.hpp"

namespace lorry::demo {
namespace {

/// Ended by the system in the middle of the first file beyond 8 KiB.
int run_with_small_files(const std::string& arguments) {
  const std::string shell =
      fmt::format("ulimit -f 8; exec {}/{} > /dev/null 2>&1", LORRY_BUILD_DIR, arguments);
  return std::system(fmt::format("bash -c '{}'", shell).c_str());
}

TEST(DemoTools, LeaveWhatWasThereWhenTheyDieInTheMiddle) {
  const io::ScratchFolder scratch;
  for (const char* name : {"train.jsonl", "corpus.jsonl", "corpus.txt", "tokenizer.json"}) {
    io::put(scratch / name, "old");
  }
  EXPECT_NE(run_with_small_files(fmt::format("make_task --out {}", scratch.path().string())), 0);
  for (const char* name : {"corpus.jsonl", "corpus.txt"}) {
    EXPECT_NE(run_with_small_files(fmt::format("make_corpus --out {}", (scratch / name).string())), 0);
  }
  std::string text;
  for (int i = 0; i < 3000; ++i) text += fmt::format("word{} ", i * i);
  io::put(scratch / "text", text + text);
  EXPECT_NE(run_with_small_files(fmt::format("train_tokenizer --corpus {} --out {} --vocab-size 1000",
                                             (scratch / "text").string(), scratch.path().string())),
            0);
  for (const char* name : {"train.jsonl", "corpus.jsonl", "corpus.txt", "tokenizer.json"}) {
    EXPECT_EQ(io::get(scratch / name), "old") << name;
  }
}

TEST(DemoTools, MakeTheSameFilesAgain) {
  const io::ScratchFolder scratch;
  const std::string command = fmt::format("{}/make_corpus --documents 3 --seed 5 --out {} > /dev/null 2>&1",
                                          LORRY_BUILD_DIR, (scratch / "corpus.jsonl").string());
  ASSERT_EQ(std::system(command.c_str()), 0);
  const std::string first = io::get(scratch / "corpus.jsonl");
  EXPECT_EQ(std::count(first.begin(), first.end(), '\n'), 3);
  EXPECT_EQ(first.substr(0, 9), R"({"text":")");
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(io::get(scratch / "corpus.jsonl"), first);
}

}  // namespace
}  // namespace lorry::demo
