// io/atomic_file.hpp: files that appear whole or not at all.
#pragma once
#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include "core/index.hpp"
#include "io/file_descriptor.hpp"

namespace lorry::io {

/// Writes under a temporary name in the target's folder (.NAME.tmp-PID-N); commit() flushes it to the disk
/// and renames it over the target. Destroyed without commit(), it removes the temporary and the target stays
/// as it was. What a killed process left behind is removed by the next AtomicFile for the same target.
///
/// Every member throws Error, one line with the target's path and the system's reason (folder missing or not
/// writable, disk full, ...). A target that is a symbolic link is replaced by the file, not followed.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path target);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  /// Appends behind what write() wrote before.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  /// Writes at byte `offset` from the start; write()'s position stays.
  void write_at(Index offset, std::span<const std::byte> bytes);
  /// Sets the final length and claims its disk space, so that a full disk shows now and not hours later.
  void reserve(Index bytes);
  /// Makes the target appear. To be called once, last.
  void commit();

  [[nodiscard]] const std::filesystem::path& target() const noexcept { return target_; }
  [[nodiscard]] const std::filesystem::path& temporary() const noexcept { return temporary_; }

 private:
  std::filesystem::path target_;
  std::filesystem::path temporary_;
  FileDescriptor file_;
  Index position_ = 0;
  bool committed_ = false;
};

}  // namespace lorry::io
