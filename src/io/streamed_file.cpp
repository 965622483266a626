#include "io/streamed_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "core/check.hpp"
#include "core/error.hpp"
#include "io/message_text.hpp"

namespace lorry::io {

StreamedFile::StreamedFile(std::filesystem::path path, Reading reading)
    : path_(std::move(path)), file_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (!file_.open()) throw Error("[load] {}: cannot open: {}", path_.string(), errno_text(errno));
  struct stat status {};
  if (::fstat(file_.get(), &status) != 0) {
    throw Error("[load] {}: cannot read its size: {}", path_.string(), errno_text(errno));
  }
  if (!S_ISREG(status.st_mode)) throw Error("[load] {}: expected a regular file", path_.string());
  size_ = static_cast<Index>(status.st_size);
  modified_ = status.st_mtim;
  if (reading == Reading::kDirect) {
    direct_ = FileDescriptor(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_DIRECT));
    // What is still read otherwise is a few bytes here and there.
    if (direct_.open()) ::posix_fadvise(file_.get(), 0, 0, POSIX_FADV_RANDOM);
  }
}

void StreamedFile::read(Index offset, std::span<std::byte> to) const {
  const Index end = offset + std::ssize(to);
  LORRY_CHECK(offset >= 0 && end <= size_);
  const Index first = (offset + kAlignment - 1) / kAlignment * kAlignment;
  const Index last = end / kAlignment * kAlignment;
  const auto address = static_cast<Index>(reinterpret_cast<std::uintptr_t>(to.data()));
  if (direct_.open() && first < last && (address - offset) % kAlignment == 0) {
    const auto part = [&](Index from, Index until) {
      return to.subspan(static_cast<std::size_t>(from - offset), static_cast<std::size_t>(until - from));
    };
    read_by(file_, offset, part(offset, first));
    read_by(direct_, first, part(first, last));
    read_by(file_, last, part(last, end));
  } else {
    read_by(file_, offset, to);
  }
  check_unchanged();
}

void StreamedFile::read_by(const FileDescriptor& file, Index offset, std::span<std::byte> to) const {
  const Index end = offset + std::ssize(to);
  for (Index at = offset; at < end;) {
    const ssize_t got =
        ::pread(file.get(), to.data() + (at - offset), static_cast<std::size_t>(end - at), at);
    if (got < 0 && errno == EINTR) continue;
    // A file system that opens files for direct reading may refuse the reading itself.
    if (got < 0 && errno == EINVAL && &file == &direct_)
      return read_by(file_, at, to.subspan(static_cast<std::size_t>(at - offset)));
    if (got < 0) throw Error("[load] {}: cannot read at byte {}: {}", path_.string(), at, errno_text(errno));
    if (got == 0) break;
    at += static_cast<Index>(got);
  }
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
