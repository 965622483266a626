#include "io/atomic_file.hpp"

#include <fcntl.h>

#include "io/interruption.hpp"
#include "io/io_support.hpp"
#include "io/safetensors_writer.hpp"
#include "io/temporary_name.hpp"

namespace lorry::io {
namespace {

using Names = std::vector<std::string>;

TEST(AtomicFile, ReplacesTheTargetAtCommitOnly) {
  const ScratchFolder folder;
  put(folder / "x", "old");
  AtomicFile file(folder / "x");
  file.write("ne");
  file.write("w!");
  file.write_at(1, std::as_bytes(std::span("E", 1)));
  EXPECT_EQ(get(folder / "x"), "old");
  EXPECT_EQ(get(file.temporary()), "nEw!");
  file.commit();
  EXPECT_EQ(get(folder / "x"), "nEw!");
  EXPECT_EQ(folder.names(), Names{"x"});
}

TEST(AtomicFile, LeavesNothingWhenAnExceptionPasses) {
  const ScratchFolder folder;
  EXPECT_EQ(error_of([&] {
              AtomicFile file(folder / "x");
              file.write("half");
              throw Error("stop");
            }),
            "stop");
  EXPECT_TRUE(folder.names().empty());
}

TEST(AtomicFile, ReservedLengthIsTheFinalLength) {
  const ScratchFolder folder;
  AtomicFile file(folder / "x");
  file.reserve(0);
  file.reserve(5);
  file.write("ab");
  file.commit();
  EXPECT_EQ(get(folder / "x"), std::string("ab\0\0\0", 5));
}

TEST(AtomicFile, TakesTheLongestLegalName) {
  const ScratchFolder folder;
  const std::string name(255, 'n');
  AtomicFile file(folder / name);
  file.commit();
  EXPECT_EQ(folder.names(), Names{name});
}

TEST(AtomicFile, NamesTargetAndReason) {
  const ScratchFolder folder;
  const std::string path = folder.path().string();
  EXPECT_EQ(error_of([&] { AtomicFile file(folder / "none/x"); }),
            "[write] " + path + "/none/x: cannot create: No such file or directory");
  EXPECT_EQ(error_of([&] { AtomicFile file(folder.path()); }),
            "[write] " + path + ": found a folder; expected the name of a file");
  EXPECT_EQ(error_of([&] { AtomicFile file(folder.path() / ""); }),
            "[write] " + path + "/: found a folder; expected the name of a file");
  EXPECT_EQ(error_of([&] { AtomicFile file(""); }), "[write] : found a folder; expected the name of a file");
  const ReadOnlyFolder locked(folder.path());
  EXPECT_EQ(error_of([&] { AtomicFile file(folder / "x"); }),
            "[write] " + path + "/x: cannot create: Permission denied");
}

TEST(AtomicFile, AFullDiskLeavesTheOldFileAndNothingElse) {
  const ScratchFolder folder;
  put(folder / "x", "old");
  const std::string start = "[write] " + (folder / "x").string() + ": ";
  const FullDisk full(4096);
  EXPECT_EQ(error_of([&] {
              AtomicFile file(folder / "x");
              file.write(std::string(10'000, 'n'));
              file.commit();
            }),
            start + "cannot write: File too large");
  EXPECT_EQ(error_of([&] { AtomicFile(folder / "x").reserve(5000); }),
            start + "cannot reserve 5000 bytes: File too large");
  EXPECT_EQ(error_of([&] {
              SafetensorsWriter writer(folder / "x", {{"a", DType::kU8, {4096}}});
            }),
            start + "cannot reserve 4200 bytes: File too large");
  EXPECT_EQ(folder.names(), Names{"x"});
  EXPECT_EQ(get(folder / "x"), "old");
}

TEST(AtomicFile, AKilledWriterLeavesNoHalfFileAndTheNextOneCleansUp) {
  const ScratchFolder folder;
  put(folder / "x", "old");
  run_and_kill([&] {
    AtomicFile file(folder / "x");
    file.write("half");
    ::raise(SIGKILL);
  });
  EXPECT_EQ(get(folder / "x"), "old");
  EXPECT_EQ(folder.names().size(), 2U);  // the temporary
  { AtomicFile other(folder / "y"); }
  EXPECT_EQ(folder.names().size(), 2U);  // another target's
  AtomicFile file(folder / "x");
  file.write("new");
  file.commit();
  EXPECT_EQ(folder.names(), Names{"x"});
  EXPECT_EQ(get(folder / "x"), "new");
}

/// A process number that is in use by nobody.
pid_t dead_process() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  return child;
}

TEST(AtomicFile, CleansOnlyWhatNobodyOwns) {
  const ScratchFolder folder;
  const std::string dead = std::to_string(dead_process());
  put(folder / (".x.tmp-" + dead + "-0"), "");
  put(folder / (".x.tmp-" + dead + "-1"), "");
  put(folder / (".x.tmp-" + std::to_string(::getppid()) + "-0"), "");
  put(folder / ".x.tmp-notes", "");
  put(folder / (".x.tmp-" + dead), "");
  const FileDescriptor owned(::open((folder / (".x.tmp-" + dead + "-1")).c_str(), O_RDONLY));
  lock_temporary(owned);  // as a process of another container would
  const AtomicFile first(folder / "x");
  const AtomicFile second(folder / "x");
  Names expected = {first.temporary().filename(),
                    second.temporary().filename(),
                    ".x.tmp-" + dead + "-1",
                    ".x.tmp-" + std::to_string(::getppid()) + "-0",
                    ".x.tmp-notes",
                    ".x.tmp-" + dead};
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(folder.names(), expected);
}

}  // namespace
}  // namespace lorry::io
