#include "io/streamed_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "core/check.hpp"
#include "core/error.hpp"
#include "io/message_text.hpp"

namespace lorry::io {

StreamedFile::StreamedFile(std::filesystem::path path)
    : path_(std::move(path)), file_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (!file_.open()) throw Error("[load] {}: cannot open: {}", path_.string(), errno_text(errno));
  struct stat status {};
  if (::fstat(file_.get(), &status) != 0) {
    throw Error("[load] {}: cannot read its size: {}", path_.string(), errno_text(errno));
  }
  if (!S_ISREG(status.st_mode)) throw Error("[load] {}: expected a regular file", path_.string());
  size_ = static_cast<Index>(status.st_size);
  modified_ = status.st_mtim;
}

void StreamedFile::read(Index offset, std::span<std::byte> to) const {
  const Index end = offset + std::ssize(to);
  LORRY_CHECK(offset >= 0 && end <= size_);
  for (Index at = offset; at < end;) {
    const ssize_t got =
        ::pread(file_.get(), to.data() + (at - offset), static_cast<std::size_t>(end - at), at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error("[load] {}: cannot read at byte {}: {}", path_.string(), at, errno_text(errno));
    if (got == 0) break;
    at += static_cast<Index>(got);
  }
  check_unchanged();
}

void StreamedFile::check_unchanged() const {
  struct stat status {};
  if (::fstat(file_.get(), &status) != 0) {
    throw Error("[load] {}: cannot read its size: {}", path_.string(), errno_text(errno));
  }
  const auto size = static_cast<Index>(status.st_size);
  if (size < size_) {
    throw Error("[load] {}: found {} bytes; expected {}: it was shortened while in use", path_.string(), size,
                size_);
  }
  if (status.st_mtim.tv_sec == modified_.tv_sec && status.st_mtim.tv_nsec == modified_.tv_nsec) return;
  throw Error(
      "[load] {}: found other contents than before; expected a file that nobody writes to: it was changed "
      "while in use",
      path_.string());
}

}  // namespace lorry::io
