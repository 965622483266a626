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
  /// kCached: through what the system keeps of files in memory, where it finds what was read before if there
  /// is room. kDirect: past that, which spares the processor a copy of every byte, where the file system can.
  enum class Reading { kCached, kDirect };
  /// Of memory, place and count, what direct reading asks for.
  static constexpr Index kAlignment = 4096;

  /// Opens a regular file; nothing is read. Throws Error with the path and the system's reason.
  explicit StreamedFile(std::filesystem::path path, Reading reading = Reading::kCached);

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] Index size() const noexcept { return size_; }  // bytes, when it was opened

  /// Fills `to` from the file's byte `offset` on. Several threads may. Directly where the address of `to` and
  /// `offset` are as far from a multiple of kAlignment, all but what lies before the first of these and
  /// behind the last. Throws Error where the file cannot be read, ends before, or was written to since it was
  /// opened.
  void read(Index offset, std::span<std::byte> to) const;

 private:
  /// By one of the descriptors, as far as the file goes.
  void read_by(const FileDescriptor& file, Index offset, std::span<std::byte> to) const;
  void check_unchanged() const;

  std::filesystem::path path_;
  FileDescriptor file_;
  FileDescriptor direct_;  // not open where everything is read through the system's memory
  Index size_ = 0;
  timespec modified_ = {};  // when it was opened
};

}  // namespace lorry::io
