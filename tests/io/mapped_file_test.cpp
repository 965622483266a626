#include "io/mapped_file.hpp"

#include <sys/stat.h>

#include <utility>

#include "io/io_support.hpp"

namespace lorry::io {
namespace {

TEST(MappedFile, ShowsTheBytesAndSurvivesAMove) {
  const ScratchFolder folder;
  put(folder / "a", "hello");
  MappedFile first(folder / "a");
  const auto bytes = first.bytes();
  MappedFile file(std::move(first));
  ASSERT_EQ(file.size(), 5);
  EXPECT_EQ(file.bytes().data(), bytes.data());
  EXPECT_EQ(static_cast<char>(bytes[4]), 'o');
  MappedFile other(folder / "a");
  other = std::move(file);
  EXPECT_EQ(other.bytes().data(), bytes.data());
}

TEST(MappedFile, TakesAnEmptyFile) {
  const ScratchFolder folder;
  put(folder / "empty", "");
  const MappedFile file(folder / "empty");
  EXPECT_EQ(file.size(), 0);
  EXPECT_TRUE(file.bytes().empty());
  file.advise(MappedFile::Advice::kSequential);
}

TEST(MappedFile, OutlivesItsName) {
  const ScratchFolder folder;
  put(folder / "a", "hello");
  const MappedFile file(folder / "a");
  std::filesystem::remove(folder / "a");
  EXPECT_EQ(static_cast<char>(file.bytes()[1]), 'e');
}

TEST(MappedFile, AdviceLeavesTheContent) {
  const ScratchFolder folder;
  std::string text(100'000, 'x');
  text[50'000] = 'y';
  put(folder / "a", text);
  const MappedFile file(folder / "a");
  for (const auto advice : {MappedFile::Advice::kWillNeed, MappedFile::Advice::kDontNeed,
                            MappedFile::Advice::kSequential, MappedFile::Advice::kNormal}) {
    file.advise(advice, file.bytes().subspan(10, 70'000));
    file.advise(advice, file.bytes().subspan(99'999, 1));
    file.advise(advice);
    EXPECT_EQ(static_cast<char>(file.bytes()[50'000]), 'y');
  }
}

TEST(MappedFile, NamesWhatItCannotOpen) {
  const ScratchFolder folder;
  const std::string path = folder.path().string();
  EXPECT_EQ(error_of([&] { MappedFile file(folder / "none"); }),
            "[load] " + path + "/none: cannot open: No such file or directory");
  EXPECT_EQ(error_of([&] { MappedFile file(folder.path()); }),
            "[load] " + path + ": found a folder; expected a file");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);  // must not wait for a writer
  EXPECT_EQ(error_of([&] { MappedFile file(folder / "pipe"); }),
            "[load] " + path + "/pipe: found a device or pipe; expected a regular file");
}

}  // namespace
}  // namespace lorry::io
