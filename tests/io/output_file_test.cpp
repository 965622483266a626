#include "io/output_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <future>

#include "io/io_support.hpp"

namespace lorry::io {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

TEST(OutputFile, ReplacesAnOrdinaryFileAtCommitOnly) {
  const ScratchFolder folder;
  put(folder / "x", "old");
  OutputFile file(folder / "x");
  file.write("new");
  EXPECT_EQ(get(folder / "x"), "old");
  file.commit();
  EXPECT_EQ(get(folder / "x"), "new");
  EXPECT_EQ(folder.names(), Names{"x"});
}

TEST(OutputFile, FollowsLinksWhichStay) {
  const ScratchFolder folder;
  fs::create_directory(folder / "there");
  put(folder / "there/x", "old");
  fs::create_symlink("there/x", folder / "one");
  fs::create_symlink(folder / "one", folder / "two");
  OutputFile file(folder / "two");
  file.write("new");
  EXPECT_EQ(get(folder / "there/x"), "old");
  file.commit();
  EXPECT_EQ(fs::read_symlink(folder / "two"), folder / "one");
  EXPECT_EQ(fs::read_symlink(folder / "one"), "there/x");
  EXPECT_FALSE(fs::is_symlink(folder / "there/x"));
  EXPECT_EQ(get(folder / "there/x"), "new");
}

TEST(OutputFile, MakesTheFileThatALinkMisses) {
  const ScratchFolder folder;
  fs::create_directory(folder / "there");
  fs::create_directory_symlink("there", folder / "here");
  fs::create_symlink("../new", folder / "there/link");
  OutputFile file(folder / "here/link");
  file.write("text");
  file.commit();
  EXPECT_TRUE(fs::is_symlink(folder / "there/link"));
  EXPECT_EQ(get(folder / "new"), "text");
}

TEST(OutputFile, WritesIntoAFifoWhichStays) {
  const ScratchFolder folder;
  const std::string path = folder / "fifo";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  fs::create_symlink("fifo", folder / "link");
  // More than a pipe holds.
  const std::string text(300'000, 'x');
  std::future<std::string> read = std::async(std::launch::async, [&] { return get(path); });
  {
    OutputFile file(folder / "link");
    file.write(text);
    file.write("end");
    file.commit();
  }
  EXPECT_EQ(read.get(), text + "end");
  EXPECT_TRUE(fs::is_fifo(path));
  EXPECT_EQ(folder.names(), (Names{"fifo", "link"}));
}

TEST(OutputFile, SaysThatTheReaderIsGone) {
  const ScratchFolder folder;
  const std::string path = folder / "fifo";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  OutputFile file(path);
  ::close(reader);
  const auto old = std::signal(SIGPIPE, SIG_IGN);
  EXPECT_EQ(error_of([&] { file.write("text"); }), "[write] " + path + ": cannot write: Broken pipe");
  std::signal(SIGPIPE, old);
}

TEST(OutputFile, GoesOnWhereADescriptorOfThisProcessStands) {
  const ScratchFolder folder;
  const int open = ::open((folder / "x").c_str(), O_WRONLY | O_CREAT, 0600);
  ASSERT_GE(open, 0);
  ASSERT_EQ(::write(open, "a", 1), 1);
  fs::create_symlink("/dev/fd/" + std::to_string(open), folder / "link");
  for (const std::string& name : {"/dev/fd/" + std::to_string(open), (folder / "link").string()}) {
    OutputFile file(name);
    file.write("b");
    file.commit();
  }
  ASSERT_EQ(::write(open, "c", 1), 1);
  ::close(open);
  EXPECT_EQ(get(folder / "x"), "abbc");
}

TEST(OutputFile, NamesTargetAndReason) {
  const ScratchFolder folder;
  const std::string path = folder.path().string();
  EXPECT_EQ(error_of([&] { OutputFile file(folder / "none/x"); }),
            "[write] " + path + "/none/x: cannot create: No such file or directory");
  EXPECT_EQ(error_of([&] { OutputFile file(folder.path()); }),
            "[write] " + path + ": found a folder; expected the name of a file");
  EXPECT_EQ(error_of([&] { OutputFile file(""); }), "[write] : found a folder; expected the name of a file");
  EXPECT_EQ(error_of([&] { OutputFile file("/dev/fd/987"); }),
            "[write] /dev/fd/987: cannot open: Bad file descriptor");
  fs::create_symlink("b", folder / "a");
  fs::create_symlink("a", folder / "b");
  EXPECT_EQ(error_of([&] { OutputFile file(folder / "a"); }),
            "[write] " + path + "/a: cannot follow the link: Too many levels of symbolic links");
  EXPECT_EQ(folder.names(), (Names{"a", "b"}));
}

}  // namespace
}  // namespace lorry::io
