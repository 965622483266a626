#include "io/scratch_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "core/check.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "io/message_text.hpp"
#include "io/temporary_name.hpp"

namespace lorry::io {

namespace {

FileDescriptor open_nameless(const std::filesystem::path& folder) {
  FileDescriptor file(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600));
  return file.open() ? std::move(file) : create_unlinked(folder / "scratch");
}

}  // namespace

ScratchFile::ScratchFile(std::filesystem::path folder, std::string what)
    : folder_(std::move(folder)), what_(std::move(what)), file_(open_nameless(folder_)) {
  if (!file_.open()) fail("cannot create", errno);
}

void ScratchFile::fail(std::string_view what, int reason) const {
  throw Error("[scratch] {}: file for {}: {}: {}", folder_.string(), what_, what, errno_text(reason));
}

void ScratchFile::reserve(Index bytes) {
  LORRY_CHECK(bytes >= 0);
  if (bytes == 0) return;
  int status = 0;
  do {
    status = ::fallocate(file_.get(), 0, 0, bytes);
  } while (status != 0 && errno == EINTR);
  if (status != 0 && errno != EOPNOTSUPP && errno != ENOSYS) {
    const int reason = errno;
    fail(fmt::format("cannot reserve {}", format_bytes(bytes)), reason);
  }
}

void ScratchFile::write(Index offset, std::span<const std::byte> from) {
  LORRY_CHECK(offset >= 0);
  while (!from.empty()) {
    const ssize_t count = ::pwrite(file_.get(), from.data(), from.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("cannot write", errno);
    offset += count;
    from = from.subspan(static_cast<std::size_t>(count));
  }
}

void ScratchFile::read(Index offset, std::span<std::byte> to) const {
  LORRY_CHECK(offset >= 0);
  while (!to.empty()) {
    const ssize_t count = ::pread(file_.get(), to.data(), to.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("cannot read", errno);
    LORRY_CHECK(count > 0);  // reads what was never written
    offset += count;
    to = to.subspan(static_cast<std::size_t>(count));
  }
}

}  // namespace lorry::io
