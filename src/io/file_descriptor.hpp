// io/file_descriptor.hpp: owns one open file descriptor.
#pragma once
#include <unistd.h>

#include <utility>

namespace lorry::io {

/// Closes on destruction; errors of that close are ignored, so a writer must fsync before.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int value) : value_(value) {}
  FileDescriptor(FileDescriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~FileDescriptor() {
    if (value_ >= 0) ::close(value_);
  }

  [[nodiscard]] int get() const noexcept { return value_; }
  [[nodiscard]] bool open() const noexcept { return value_ >= 0; }

 private:
  int value_ = -1;
};

}  // namespace lorry::io
