// io/append_file.hpp: a file that grows as things happen, and is cut back to a known length where a process
// died.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "core/index.hpp"
#include "io/file_descriptor.hpp"

namespace lorry::io {

/// What was appended is in the file at once: killing the process loses none of it, but may cut the last piece
/// short. Messages begin with `operation` ("[train]").
class AppendFile {
 public:
  /// Makes the file or opens it, keeps its first `keep` bytes and goes on behind them. Throws Error where it
  /// cannot, or where the file has fewer.
  AppendFile(std::string operation, std::filesystem::path path, Index keep);

  /// Throws Error where it cannot write; what a full disk took of the piece is taken back then.
  void append(std::string_view bytes);
  /// Flushes what was appended to the disk. Throws Error.
  void sync();

  [[nodiscard]] Index size() const noexcept { return size_; }  // bytes: whole pieces

 private:
  [[noreturn]] void fail(std::string_view what) const;

  std::string operation_;
  std::filesystem::path path_;
  FileDescriptor file_;
  Index size_ = 0;
};

}  // namespace lorry::io
