#include "io/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "core/check.hpp"
#include "core/error.hpp"
#include "io/file_descriptor.hpp"
#include "io/message_text.hpp"

namespace lorry::io {

MappedFile::MappedFile(std::filesystem::path path) : path_(std::move(path)) {
  // O_NONBLOCK: opening a named pipe must not wait for a writer; regular files ignore it.
  const FileDescriptor file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.open()) throw Error("[load] {}: cannot open: {}", path_.string(), errno_text(errno));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) {
    throw Error("[load] {}: cannot read its size: {}", path_.string(), errno_text(errno));
  }
  if (S_ISDIR(status.st_mode)) throw Error("[load] {}: found a folder; expected a file", path_.string());
  if (!S_ISREG(status.st_mode)) {
    throw Error("[load] {}: found a device or pipe; expected a regular file", path_.string());
  }
  if (status.st_size == 0) return;  // mmap refuses length 0
  void* data =
      ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_SHARED, file.get(), 0);
  if (data == MAP_FAILED) throw Error("[load] {}: cannot map: {}", path_.string(), errno_text(errno));
  data_ = static_cast<const std::byte*>(data);
  size_ = static_cast<Index>(status.st_size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), static_cast<std::size_t>(size_));
}

void MappedFile::advise(Advice advice, std::span<const std::byte> range) const {
  if (range.empty()) return;
  Index first = range.data() - data_;
  Index last = first + static_cast<Index>(range.size());
  LORRY_CHECK(first >= 0 && last <= size_);
  const auto page = static_cast<Index>(::sysconf(_SC_PAGESIZE));
  int flag = MADV_NORMAL;
  if (advice == Advice::kDontNeed) {
    flag = MADV_DONTNEED;
    first = (first + page - 1) / page * page;
    if (last != size_) last = last / page * page;  // the file's last page has no neighbour behind
  } else {
    if (advice == Advice::kSequential) flag = MADV_SEQUENTIAL;
    if (advice == Advice::kWillNeed) flag = MADV_WILLNEED;
    first = first / page * page;
  }
  if (first >= last) return;
  ::madvise(const_cast<std::byte*>(data_) + first, static_cast<std::size_t>(last - first), flag);
}

}  // namespace lorry::io
