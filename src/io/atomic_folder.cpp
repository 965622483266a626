#include "io/atomic_folder.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "core/check.hpp"
#include "core/error.hpp"
#include "io/message_text.hpp"
#include "io/temporary_name.hpp"

namespace lorry::io {

namespace fs = std::filesystem;

namespace {

/// Without a trailing slash, and past a symbolic link: the folder itself is what gets renamed.
fs::path cleaned(const fs::path& target) {
  fs::path path = target.lexically_normal();
  if (path.filename().empty()) path = path.parent_path();
  std::error_code error;
  if (fs::is_symlink(path, error)) {
    path = fs::canonical(path, error);
    if (error) throw Error("[write] {}: cannot follow the link: {}", target.string(), error.message());
  }
  if (!path.has_filename() || path.filename() == "." || path.filename() == "..") {
    throw Error("[write] {}: expected the name of a folder to make", target.string());
  }
  return path;
}

[[noreturn]] void throw_not_empty(const fs::path& target) {
  throw Error("[write] {}: found a folder that is not empty; expected a new or an empty one",
              target.string());
}

void check_target(const fs::path& target, ExistingFolder existing) {
  std::error_code error;
  if (!fs::exists(target, error)) return;
  if (!fs::is_directory(target, error)) {
    throw Error("[write] {}: found a file; expected a new folder", target.string());
  }
  if (existing == ExistingFolder::kRefuse && !fs::is_empty(target, error)) throw_not_empty(target);
}

/// Flushes every file and folder below `folder`, and itself last.
void sync_tree(const fs::path& folder, const fs::path& target) {
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (!entry->is_symlink(error)) sync_path(entry->path(), target);
  }
  if (error) throw Error("[write] {}: cannot list the finished files: {}", target.string(), error.message());
  sync_path(folder, target);
}

}  // namespace

AtomicFolder::AtomicFolder(const fs::path& target, ExistingFolder existing)
    : target_(cleaned(target)), existing_(existing) {
  check_target(target_, existing_);
  std::error_code error;
  fs::create_directories(parent_folder(target_), error);
  if (error) {
    throw Error("[write] {}: cannot create the folder above it: {}", target_.string(), error.message());
  }
  remove_stale_temporaries(target_);
  int status = -1;
  for (int number = 0; number < kMaxTemporaries && status != 0; ++number) {
    temporary_ = temporary_name(target_, number);
    status = ::mkdir(temporary_.c_str(), 0777);
    if (status != 0 && errno != EEXIST) break;
  }
  if (status != 0) throw Error("[write] {}: cannot create: {}", target_.string(), errno_text(errno));
  lock_ = FileDescriptor(::open(temporary_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock_.open()) lock_temporary(lock_);
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(temporary_, ignored);
}

void AtomicFolder::commit() {
  LORRY_CHECK(!committed_);
  sync_tree(temporary_, target_);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
    const bool occupied = errno == ENOTEMPTY || errno == EEXIST;
    if (!occupied) {
      throw Error("[write] {}: cannot rename the finished folder: {}", target_.string(), errno_text(errno));
    }
    if (existing_ == ExistingFolder::kRefuse) throw_not_empty(target_);
    replace_target();
  }
  committed_ = true;
  sync_path(parent_folder(target_), target_);
}

void AtomicFolder::replace_target() {
  fs::path old = temporary_;
  if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) != 0) {
    // Network file systems cannot swap. The old folder keeps a name that no cleaning touches until it is
    // replaced.
    old = parent_folder(target_) / fmt::format("{}.old-{}", target_.filename().string(), ::getpid());
    if (::rename(target_.c_str(), old.c_str()) != 0) {
      throw Error("[write] {}: cannot move the old folder away: {}", target_.string(), errno_text(errno));
    }
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
      const int reason = errno;
      ::rename(old.c_str(), target_.c_str());
      throw Error("[write] {}: cannot rename the finished folder: {}", target_.string(), errno_text(reason));
    }
  }
  std::error_code ignored;
  fs::remove_all(old, ignored);
}

}  // namespace lorry::io
