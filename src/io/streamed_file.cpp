#include "io/streamed_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
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
  if (status.st_size == 0) return;
  void* const data = ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) {
    throw Error("[load] {}: cannot reserve {} bytes of address space: {}", path_.string(), status.st_size,
                errno_text(errno));
  }
  data_ = static_cast<std::byte*>(data);
  size_ = static_cast<Index>(status.st_size);
  // Pages come and go by the hundred MiB.
  ::madvise(data_, static_cast<std::size_t>(size_), MADV_HUGEPAGE);
}

StreamedFile::~StreamedFile() {
  if (data_ != nullptr) ::munmap(data_, static_cast<std::size_t>(size_));
}

void StreamedFile::load(std::span<const std::byte> range) const {
  Index at = range.data() - data_;
  const Index end = at + std::ssize(range);
  LORRY_CHECK(at >= 0 && end <= size_);
  while (at < end) {
    const ssize_t got = ::pread(file_.get(), data_ + at, static_cast<std::size_t>(end - at), at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error("[load] {}: cannot read at byte {}: {}", path_.string(), at, errno_text(errno));
    if (got == 0) {
      throw Error("[load] {}: found {} bytes, expected {}: it was shortened while in use", path_.string(), at,
                  size_);
    }
    at += static_cast<Index>(got);
  }
}

void StreamedFile::drop(std::span<const std::byte> range) const noexcept {
  const auto page = static_cast<Index>(::sysconf(_SC_PAGESIZE));
  const Index begin = range.data() - data_;
  const Index first = (begin + page - 1) / page * page;
  const Index last = (begin + std::ssize(range)) / page * page;
  if (first < last) ::madvise(data_ + first, static_cast<std::size_t>(last - first), MADV_DONTNEED);
}

}  // namespace lorry::io
