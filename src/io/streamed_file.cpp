#include "io/streamed_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

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
}

void StreamedFile::read(Index offset, std::span<std::byte> to) const {
  const Index end = offset + std::ssize(to);
  for (Index at = offset; at < end;) {
    const ssize_t got =
        ::pread(file_.get(), to.data() + (at - offset), static_cast<std::size_t>(end - at), at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error("[load] {}: cannot read at byte {}: {}", path_.string(), at, errno_text(errno));
    if (got == 0) {
      struct stat status {};
      const Index left = ::fstat(file_.get(), &status) == 0 ? static_cast<Index>(status.st_size) : at;
      throw Error("[load] {}: found {} bytes; expected {}: it was shortened while in use", path_.string(),
                  left, size_);
    }
    at += static_cast<Index>(got);
  }
}

}  // namespace lorry::io
