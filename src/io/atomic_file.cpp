#include "io/atomic_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "core/check.hpp"
#include "core/error.hpp"
#include "io/message_text.hpp"
#include "io/temporary_name.hpp"

namespace lorry::io {

namespace {

FileDescriptor create_new(const std::filesystem::path& path) {
  return FileDescriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path target) : target_(std::move(target)) {
  std::error_code ignored;
  if (target_.filename().empty() || std::filesystem::is_directory(target_, ignored)) {
    throw Error("[write] {}: found a folder; expected the name of a file", target_.string());
  }
  remove_stale_temporaries(target_);
  for (int number = 0; number < kMaxTemporaries && !file_.open(); ++number) {
    temporary_ = temporary_name(target_, number);
    file_ = create_new(temporary_);
    if (!file_.open() && errno != EEXIST) break;
  }
  if (!file_.open()) throw Error("[write] {}: cannot create: {}", target_.string(), errno_text(errno));
  lock_temporary(file_);
}

AtomicFile::~AtomicFile() {
  if (!committed_) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  write_at(position_, bytes);
  position_ += static_cast<Index>(bytes.size());
}

void AtomicFile::write_at(Index offset, std::span<const std::byte> bytes) {
  LORRY_CHECK(!committed_ && offset >= 0);
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(file_.get(), bytes.data(), bytes.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error("[write] {}: cannot write: {}", target_.string(), errno_text(errno));
    offset += count;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

void AtomicFile::reserve(Index bytes) {
  LORRY_CHECK(!committed_ && bytes >= 0);
  if (bytes == 0) return;
  int status = 0;
  do {
    status = ::fallocate(file_.get(), 0, 0, bytes);
    // Not posix_fallocate: where the file system cannot reserve, that one writes every block twice.
    if (status != 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) status = ::ftruncate(file_.get(), bytes);
  } while (status != 0 && errno == EINTR);
  if (status != 0) {
    throw Error("[write] {}: cannot reserve {} bytes: {}", target_.string(), bytes, errno_text(errno));
  }
}

void AtomicFile::commit() {
  LORRY_CHECK(!committed_);
  if (::fsync(file_.get()) != 0 && errno != EINVAL) {
    throw Error("[write] {}: cannot flush to the disk: {}", target_.string(), errno_text(errno));
  }
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
    throw Error("[write] {}: cannot rename the finished file: {}", target_.string(), errno_text(errno));
  }
  committed_ = true;
  file_ = FileDescriptor();
  sync_path(parent_folder(target_), target_);
}

}  // namespace lorry::io
