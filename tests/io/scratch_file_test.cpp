// A file without a name: what is written is read back, a disk that is full is one line, nothing is left.
#include "io/scratch_file.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "io/io_support.hpp"
#include "io/scratch_queue.hpp"
#include "io/small_disk.hpp"
#include "io/temporary_name.hpp"

namespace lorry::io {
namespace {

std::vector<std::byte> bytes_of(std::size_t count, int first) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(first + static_cast<int>(i % 97));
  return bytes;
}

void expect_line(const std::string& error, const std::filesystem::path& folder, const std::string& words) {
  EXPECT_EQ(error, "[scratch] " + folder.string() + ": file for block inputs: " + words);
}

TEST(ScratchFile, GivesBackWhatWasWrittenAndHasNoName) {
  const ScratchFolder folder;
  ScratchFile file(folder.path(), "block inputs");
  file.reserve(1 << 20);
  const std::vector<std::byte> first = bytes_of(5000, 1);
  const std::vector<std::byte> second = bytes_of(77, 3);
  file.write(100'000, first);
  file.write(3, second);
  file.write(100'100, second);
  EXPECT_TRUE(folder.names().empty()) << folder.names().front();
  std::vector<std::byte> back(5000);
  file.read(100'000, back);
  std::vector<std::byte> want = first;
  std::copy(second.begin(), second.end(), want.begin() + 100);
  EXPECT_EQ(back, want);
  back.resize(77);
  file.read(3, back);
  EXPECT_EQ(back, second);
}

TEST(ScratchFile, WhereNamesAreNeededTheyAreGoneAtOnce) {
  const ScratchFolder folder;
  const std::filesystem::path target = folder / "scratch";
  constexpr int kNobody = 999'999'999;                          // beyond the numbers of processes
  put(folder / fmt::format(".scratch.tmp-{}-0", kNobody), "");  // of a process that died in between
  put(temporary_name(target, 0), "mine");
  const FileDescriptor first = create_unlinked(target);
  const FileDescriptor second = create_unlinked(target);
  ASSERT_TRUE(first.open() && second.open());
  EXPECT_EQ(folder.names(), std::vector{temporary_name(target, 0).filename().string()});
  EXPECT_EQ(::pwrite(first.get(), "one", 3, 0), 3);
  EXPECT_EQ(::pwrite(second.get(), "two", 3, 0), 3);
  char back[3] = {};
  EXPECT_EQ(::pread(first.get(), back, 3, 0), 3);
  EXPECT_EQ(std::string_view(back, 3), "one");
  EXPECT_FALSE(create_unlinked(folder / "none" / "scratch").open());
}

TEST(ScratchFile, AFolderThatCannotHoldItIsNamed) {
  const ScratchFolder folder;
  const std::filesystem::path none = folder / "none";
  expect_line(error_of([&] { ScratchFile(none, "block inputs"); }), none,
              "cannot create: No such file or directory");
}

TEST(ScratchFile, AFullDiskIsOneLineBeforeAndWhileItIsWritten) {
  const ScratchFolder folder;
  const SmallDisk disk(folder / "disk");
  if (!disk.mounted()) GTEST_SKIP() << "cannot mount a tmpfs here: " << disk.reason();
  ScratchFile file(folder / "disk", "block inputs");
  expect_line(error_of([&] { file.reserve(1 << 20); }), folder / "disk",
              "cannot reserve 1.0 MiB: No space left on device");
  const std::vector<std::byte> much = bytes_of(1 << 20, 0);
  expect_line(error_of([&] { file.write(0, much); }), folder / "disk",
              "cannot write: No space left on device");
}

TEST(ScratchQueue, DoesAllInOrder) {
  const ScratchFolder folder;
  ScratchQueue queue(ScratchFile(folder.path(), "block inputs"));
  constexpr std::size_t kBytes = 300'000;
  std::vector<std::vector<std::byte>> written;
  std::vector<std::vector<std::byte>> read(20, std::vector<std::byte>(kBytes));
  for (int i = 0; i < 20; ++i) written.push_back(bytes_of(kBytes, i));
  Index last = 0;
  // All over the same place: any other order shows.
  for (std::size_t i = 0; i < written.size(); ++i) {
    queue.write(1000, written[i]);
    last = queue.read(1000, read[i]);
  }
  EXPECT_EQ(last, 40);
  queue.wait(last);
  EXPECT_EQ(read, written);
  EXPECT_EQ(queue.totals().written, 20 * static_cast<Index>(kBytes));
  EXPECT_EQ(queue.totals().read, 20 * static_cast<Index>(kBytes));
}

TEST(ScratchQueue, WhatFailsIsThrownWhereItIsWaitedFor) {
  const ScratchFolder folder;
  const SmallDisk disk(folder / "disk");
  if (!disk.mounted()) GTEST_SKIP() << "cannot mount a tmpfs here: " << disk.reason();
  ScratchQueue queue(ScratchFile(folder / "disk", "block inputs"));
  const std::vector<std::byte> little = bytes_of(1000, 0);
  const std::vector<std::byte> much = bytes_of(1 << 20, 0);
  queue.wait(queue.write(0, little));
  const Index request = queue.write(1000, much);
  const Index behind = queue.write(0, little);
  for (const Index one : {request, behind}) {
    expect_line(error_of([&] { queue.wait(one); }), folder / "disk", "cannot write: No space left on device");
  }
  queue.wait_for_all();  // does not hang
}

}  // namespace
}  // namespace lorry::io
