#include "io/append_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "core/error.hpp"
#include "io/message_text.hpp"

namespace lorry::io {

AppendFile::AppendFile(std::string operation, std::filesystem::path path, Index keep)
    : operation_(std::move(operation)),
      path_(std::move(path)),
      file_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666)),
      size_(keep) {
  struct stat status = {};
  if (!file_.open() || ::fstat(file_.get(), &status) != 0) fail("cannot write");
  if (status.st_size < keep) {
    throw Error("{} --resume: {}: found {} bytes; expected the {} that the checkpoint goes with", operation_,
                path_.string(), status.st_size, keep);
  }
  if (::ftruncate(file_.get(), keep) != 0) fail("cannot write");
}

void AppendFile::fail(std::string_view what) const {
  throw Error("{} {}: {}: {}", operation_, path_.string(), what, errno_text(errno));
}

void AppendFile::append(std::string_view bytes) {
  std::size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t count = ::pwrite(file_.get(), bytes.data() + written, bytes.size() - written,
                                   size_ + static_cast<Index>(written));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int reason = errno;
      [[maybe_unused]] const int ignored = ::ftruncate(file_.get(), size_);
      errno = reason;
      fail("cannot write");
    }
    written += static_cast<std::size_t>(count);
  }
  size_ += static_cast<Index>(written);
}

void AppendFile::sync() {
  // EINVAL: a file system that has nothing to flush.
  if (::fsync(file_.get()) != 0 && errno != EINVAL) fail("cannot flush to the disk");
}

}  // namespace lorry::io
