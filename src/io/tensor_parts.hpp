// io/tensor_parts.hpp: tensors of a file to come, whose bytes follow in any order; for the writers of
// formats.
#pragma once
#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "core/index.hpp"
#include "io/atomic_file.hpp"

namespace lorry::io {

/// Knows where each tensor lies and how much of it is there. Destroyed before finish(), nothing is left.
class TensorParts {
 public:
  explicit TensorParts(std::filesystem::path target) : file_(std::move(target)) {}

  [[nodiscard]] const std::filesystem::path& target() const noexcept { return file_.target(); }

  /// A tensor of so many bytes, `offset` behind the first byte of the data. False for a name that is taken.
  [[nodiscard]] bool add(const std::string& name, Index offset, Index bytes);
  /// After the last tensor: claims the disk space of the whole file, of which bytes that nobody writes are
  /// zero, and writes what precedes the data, padded to `data_begin`.
  void begin(std::string_view head, Index data_begin, Index file_bytes);
  /// Appends bytes to the tensor `name`: all of them at once or chunk by chunk. More than declared is a
  /// caller's bug.
  void write(std::string_view name, std::span<const std::byte> bytes);
  /// Makes the file appear. Every tensor must be complete (else a caller's bug).
  void finish();

 private:
  struct Part {
    Index offset = 0;   // of the tensor's first byte in the data
    Index size = 0;     // bytes
    Index written = 0;  // bytes
  };

  std::map<std::string, Part, std::less<>> parts_;
  AtomicFile file_;
  Index data_begin_ = 0;  // bytes before the data
};

}  // namespace lorry::io
