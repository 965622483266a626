// io/streamed_file.hpp: a file of which parts are read over and over, while others may change it.
#pragma once
#include <cstddef>
#include <ctime>
#include <filesystem>
#include <span>

#include "core/index.hpp"
#include "io/file_descriptor.hpp"

namespace lorry::io {

/// Unlike a mapping, what is read counts against nobody else's memory, and a file that another program
/// shortens or writes to is an error instead of the process's end or other weights. Share it by
/// std::shared_ptr.
class StreamedFile {
 public:
  /// Opens a regular file; nothing is read. Throws Error with the path and the system's reason.
  explicit StreamedFile(std::filesystem::path path);

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] Index size() const noexcept { return size_; }  // bytes, when it was opened

  /// Fills `to` from the file's byte `offset` on. Several threads may. Throws Error where the file cannot be
  /// read, ends before, or was written to since it was opened.
  void read(Index offset, std::span<std::byte> to) const;

 private:
  void check_unchanged() const;

  std::filesystem::path path_;
  FileDescriptor file_;
  Index size_ = 0;
  timespec modified_ = {};  // when it was opened
};

}  // namespace lorry::io
