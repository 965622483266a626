// io/mapped_file.hpp: a file's bytes as memory. Nothing is read before it is touched, and clean pages cost no
// swap: this is how a model larger than the free memory opens at once.
#pragma once
#include <cstddef>
#include <filesystem>
#include <span>

#include "core/index.hpp"

namespace lorry::io {

/// A read-only mapping of a whole regular file; the descriptor is closed again at once. Movable, not
/// copyable; share it by std::shared_ptr<const MappedFile>. Views into bytes() stay valid when it moves and
/// end with it.
///
/// If another program shortens the file meanwhile, touching the lost pages kills this process (SIGBUS), as
/// with every mapping; the program says so first (cli/lost_pages.hpp). Replacing the file by rename, as Lorry
/// itself does, is safe.
class MappedFile {
 public:
  enum class Advice {
    kNormal,
    kSequential,  // read ahead further, drop behind
    kWillNeed,    // start reading now
    kDontNeed,    // drop from this process's memory; the next touch reads again
  };

  /// Throws Error with the path and the system's reason. An empty file gives empty bytes().
  explicit MappedFile(std::filesystem::path path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] Index size() const noexcept { return size_; }  // bytes
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
    return {data_, static_cast<std::size_t>(size_)};
  }

  /// Tells the system how `range`, a part of bytes(), will be used. Only a hint: refusals are ignored.
  /// kDontNeed leaves alone the pages that the range shares with its neighbours.
  void advise(Advice advice, std::span<const std::byte> range) const;
  void advise(Advice advice) const { advise(advice, bytes()); }

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  Index size_ = 0;
};

}  // namespace lorry::io
