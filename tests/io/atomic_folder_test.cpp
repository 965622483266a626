#include "io/atomic_folder.hpp"

#include "io/interruption.hpp"
#include "io/io_support.hpp"
#include "io/text_file.hpp"

namespace lorry::io {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

TEST(AtomicFolder, AppearsAtCommitWithMissingParents) {
  const ScratchFolder folder;
  AtomicFolder out(folder / "a/b/out/");
  write_text_file(out.path() / "x", "text");
  fs::create_directory(out.path() / "sub");
  write_text_file(out.path() / "sub/y", "more");
  EXPECT_FALSE(fs::exists(folder / "a/b/out"));
  out.commit();
  EXPECT_EQ(get(folder / "a/b/out/x"), "text");
  EXPECT_EQ(get(folder / "a/b/out/sub/y"), "more");
  EXPECT_FALSE(fs::exists(out.path()));
}

TEST(AtomicFolder, LeavesNothingWithoutCommit) {
  const ScratchFolder folder;
  {
    AtomicFolder out(folder / "out");
    put(out.path() / "x", "half");
  }
  EXPECT_TRUE(folder.names().empty());
}

TEST(AtomicFolder, TakesOverAnEmptyFolder) {
  const ScratchFolder folder;
  fs::create_directory(folder / "out");
  AtomicFolder out(folder / "out");
  put(out.path() / "x", "text");
  out.commit();
  EXPECT_EQ(get(folder / "out/x"), "text");
  EXPECT_EQ(folder.names(), Names{"out"});
}

TEST(AtomicFolder, RefusesAFolderInUse) {
  const ScratchFolder folder;
  const std::string message = "[write] " + (folder / "out").string() +
                              ": found a folder that is not empty; expected a new or an empty one";
  AtomicFolder out(folder / "out");
  fs::create_directory(folder / "out");
  put(folder / "out/mine", "keep");
  EXPECT_EQ(error_of([&] { AtomicFolder other(folder / "out"); }), message);
  EXPECT_EQ(error_of([&] { out.commit(); }), message);  // it filled after the work began
  EXPECT_EQ(get(folder / "out/mine"), "keep");
}

TEST(AtomicFolder, ReplacesAFolderInUseWhenAsked) {
  const ScratchFolder folder;
  fs::create_directory(folder / "out");
  put(folder / "out/old", "old");
  AtomicFolder out(folder / "out", ExistingFolder::kReplace);
  put(out.path() / "new", "new");
  EXPECT_EQ(get(folder / "out/old"), "old");
  out.commit();
  EXPECT_EQ(get(folder / "out/new"), "new");
  EXPECT_FALSE(fs::exists(folder / "out/old"));
  EXPECT_EQ(folder.names(), Names{"out"});
}

TEST(AtomicFolder, FollowsALink) {
  const ScratchFolder folder;
  fs::create_directory(folder / "disk");
  fs::create_directory_symlink(folder / "disk", folder / "out");
  AtomicFolder out(folder / "out");
  put(out.path() / "x", "text");
  out.commit();
  EXPECT_EQ(get(folder / "disk/x"), "text");
  EXPECT_TRUE(fs::is_symlink(folder / "out"));
}

TEST(AtomicFolder, NamesTargetAndReason) {
  const ScratchFolder folder;
  const std::string path = folder.path().string();
  put(folder / "file", "x");
  EXPECT_EQ(error_of([&] { AtomicFolder out(folder / "file"); }),
            "[write] " + path + "/file: found a file; expected a new folder");
  EXPECT_EQ(error_of([&] { AtomicFolder out(folder / "file/out"); }),
            "[write] " + path + "/file/out: cannot create the folder above it: Not a directory");
  for (const std::string name : {".", "..", "/", ""}) {
    EXPECT_EQ(error_of([&] { AtomicFolder out{fs::path(name)}; }),
              "[write] " + name + ": expected the name of a folder to make");
  }
  const ReadOnlyFolder locked(folder.path());
  EXPECT_EQ(error_of([&] { AtomicFolder out(folder / "out"); }),
            "[write] " + path + "/out: cannot create: Permission denied");
}

TEST(AtomicFolder, AKilledWriterLeavesNoHalfFolderAndTheNextOneCleansUp) {
  const ScratchFolder folder;
  run_and_kill([&] {
    AtomicFolder out(folder / "out");
    fs::create_directory(out.path() / "sub");
    put(out.path() / "sub/x", "half");
    ::raise(SIGKILL);
  });
  EXPECT_FALSE(fs::exists(folder / "out"));
  EXPECT_EQ(folder.names().size(), 1U);
  AtomicFolder out(folder / "out");
  EXPECT_EQ(folder.names(), Names{out.path().filename()});
  out.commit();
  EXPECT_EQ(folder.names(), Names{"out"});
}

}  // namespace
}  // namespace lorry::io
