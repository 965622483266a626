// io/scratch_file.hpp: room on a disk for what the memory does not hold, gone with the process.
#pragma once
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "core/index.hpp"
#include "io/file_descriptor.hpp"

namespace lorry::io {

/// A file without a name: nobody else finds it, and the system frees it when the process ends, however that
/// is. Pages of it that the system keeps in memory are the system's, and not resident in this process. Every
/// member throws Error, one line with the folder, what the file is for and the system's reason.
class ScratchFile {
 public:
  /// In `folder`, which must be there. what: the file's content, for messages ("block inputs").
  ScratchFile(std::filesystem::path folder, std::string what);

  /// Takes so many bytes of the disk now, so that no later write can fail for want of room. Where the file
  /// system cannot reserve, nothing happens.
  void reserve(Index bytes);

  /// All of `from`, from the file's byte `offset` on.
  void write(Index offset, std::span<const std::byte> from);
  /// Fills `to` with what was written there.
  void read(Index offset, std::span<std::byte> to) const;

 private:
  [[noreturn]] void fail(std::string_view what, int reason) const;

  std::filesystem::path folder_;
  std::string what_;
  FileDescriptor file_;
};

}  // namespace lorry::io
