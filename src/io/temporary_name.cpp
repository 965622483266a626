#include "io/temporary_name.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <string>
#include <system_error>

#include "core/error.hpp"
#include "io/message_text.hpp"

namespace lorry::io {

namespace fs = std::filesystem;

namespace {

std::string temporary_prefix(const fs::path& target) {
  constexpr std::size_t kLongestName = 200;  // of the 255 bytes that Linux allows
  return fmt::format(".{}.tmp-", target.filename().string().substr(0, kLongestName));
}

/// The process number in `name`, a file name with that prefix; 0 if it is not one of ours.
int owner_of(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return 0;
  name.remove_prefix(prefix.size());
  int pid = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
  if (error != std::errc() || pid <= 0 || end == name.data() + name.size() || *end != '-') return 0;
  return pid;
}

void remove_if_abandoned(const fs::path& path, int owner) {
  if (::kill(owner, 0) == 0 || errno != ESRCH) return;
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.open() || ::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return;
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

}  // namespace

fs::path temporary_name(const fs::path& target, int number) {
  return parent_folder(target) / fmt::format("{}{}-{}", temporary_prefix(target), ::getpid(), number);
}

fs::path parent_folder(const fs::path& target) {
  return target.has_parent_path() ? target.parent_path() : fs::path(".");
}

void lock_temporary(const FileDescriptor& file) {
  ::flock(file.get(), LOCK_EX | LOCK_NB);
}

void remove_stale_temporaries(const fs::path& target) {
  const std::string prefix = temporary_prefix(target);
  std::error_code ignored;
  fs::directory_iterator entry(parent_folder(target), ignored);
  for (; entry != fs::directory_iterator(); entry.increment(ignored)) {
    const int owner = owner_of(entry->path().filename().string(), prefix);
    if (owner != 0) remove_if_abandoned(entry->path(), owner);
  }
}

FileDescriptor create_unlinked(const fs::path& target) {
  remove_stale_temporaries(target);
  for (int number = 0; number < kMaxTemporaries; ++number) {
    const fs::path name = temporary_name(target, number);
    FileDescriptor file(::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (file.open() && ::unlink(name.c_str()) == 0) return file;
    if (file.open() || errno != EEXIST) break;
  }
  return {};
}

void sync_path(const fs::path& path, const fs::path& target) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  // EINVAL: a file system that has nothing to flush.
  if (!file.open() || (::fsync(file.get()) != 0 && errno != EINVAL)) {
    throw Error("[write] {}: cannot flush to the disk: {}", target.string(), errno_text(errno));
  }
}

}  // namespace lorry::io
