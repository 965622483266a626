// io/streamed_file.hpp: a file's bytes at addresses that stay the same, of which only what was loaded is in
// memory.
#pragma once
#include <cstddef>
#include <filesystem>
#include <span>

#include "core/index.hpp"
#include "io/file_descriptor.hpp"

namespace lorry::io {

/// Address space of a regular file's size. Reading what is not loaded finds zeros. Unlike a mapping, what is
/// loaded counts against nobody else's memory, goes when it is dropped, and a file that another program
/// shortens is an error instead of the process's end. Not movable: share it by std::shared_ptr.
class StreamedFile {
 public:
  /// Opens the file; nothing is read. Throws Error with the path and the system's reason.
  explicit StreamedFile(std::filesystem::path path);
  StreamedFile(const StreamedFile&) = delete;
  StreamedFile& operator=(const StreamedFile&) = delete;
  ~StreamedFile();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] Index size() const noexcept { return size_; }  // bytes
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
    return {data_, static_cast<std::size_t>(size_)};
  }

  /// Reads `range`, a part of bytes(), from the file. Several threads may, ranges that do not overlap. Throws
  /// Error where the file cannot be read, or has become shorter.
  void load(std::span<const std::byte> range) const;
  /// Gives the memory of `range` back, but for pages that it shares with its neighbours.
  void drop(std::span<const std::byte> range) const noexcept;

 private:
  std::filesystem::path path_;
  FileDescriptor file_;
  std::byte* data_ = nullptr;
  Index size_ = 0;
};

}  // namespace lorry::io
