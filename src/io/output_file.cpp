#include "io/output_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <string>
#include <system_error>
#include <utility>

#include "core/error.hpp"
#include "io/message_text.hpp"
#include "io/temporary_name.hpp"

namespace lorry::io {

namespace fs = std::filesystem;

namespace {

/// N of /proc/PID/fd/N, this process's own; nothing for another path.
std::optional<int> own_descriptor(const fs::path& path) {
  std::error_code error;
  if (path.parent_path() != fs::canonical("/proc/self/fd", error) || error) return std::nullopt;
  const std::string name = path.filename().string();
  int number = -1;
  const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), number);
  const bool whole = failure == std::errc() && end == name.data() + name.size() && number >= 0;
  return whole ? std::optional(number) : std::nullopt;
}

/// With the folder's own links followed; as it is where there is no such folder.
fs::path in_real_folder(const fs::path& path) {
  if (path.filename().empty()) return path;
  std::error_code error;
  const fs::path folder = fs::canonical(parent_folder(path), error);
  return error ? path : folder / path.filename();
}

bool is_stream(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  return fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status);
}

}  // namespace

fs::path follow_links(const fs::path& target) {
  constexpr int kMostLinks = 40;  // as Linux follows
  fs::path path = in_real_folder(target);
  for (int links = 0; links < kMostLinks; ++links) {
    std::error_code error;
    // The text of such a link ("pipe:[123]", "/x (deleted)") is no path.
    if (own_descriptor(path) || !fs::is_symlink(path, error)) return path;
    const fs::path next = fs::read_symlink(path, error);
    if (error) throw Error("[write] {}: cannot follow the link: {}", target.string(), error.message());
    path = in_real_folder(parent_folder(path) / next);
  }
  throw Error("[write] {}: cannot follow the link: {}", target.string(), errno_text(ELOOP));
}

OutputFile::OutputFile(fs::path target) : target_(std::move(target)) {
  const fs::path path = follow_links(target_);
  const std::optional<int> descriptor = own_descriptor(path);
  if (descriptor) {
    // A copy, not another opening: that would begin at the start of what was written before.
    stream_ = FileDescriptor(::fcntl(*descriptor, F_DUPFD_CLOEXEC, 0));
  } else if (is_stream(path)) {
    stream_ = FileDescriptor(::open(path.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC));
  } else {
    file_.emplace(path);
    return;
  }
  if (!stream_.open()) throw Error("[write] {}: cannot open: {}", target_.string(), errno_text(errno));
}

void OutputFile::write(std::string_view text) {
  if (file_) {
    file_->write(text);
    return;
  }
  while (!text.empty()) {
    const ssize_t count = ::write(stream_.get(), text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error("[write] {}: cannot write: {}", target_.string(), errno_text(errno));
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

void OutputFile::commit() {
  if (file_) {
    file_->commit();
    return;
  }
  stream_ = FileDescriptor();
}

}  // namespace lorry::io
