// sweep/cell_store.hpp: the output folder of a sweep: which cells are finished, and one writer at a time.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "io/file_descriptor.hpp"
#include "sweep/cell_result.hpp"

namespace lorry::sweep {

/// In OUT: says that it is a sweep's. Reports there are rewritten, so no other folder with content is taken.
inline constexpr const char* kMarkerFile = "sweep.json";

/// OUT/cells/NAME/ for each finished cell, which appears whole or not at all.
class CellStore {
 public:
  enum class Access {
    kRead,   // makes nothing, keeps nobody out; OUT may be absent
    kWrite,  // makes OUT, its marker and OUT/cells, and holds OUT against other processes as long as this
             // lives
  };
  /// Throws Error if OUT cannot be made, is held by another process, or has things in it that are no sweep's.
  CellStore(std::filesystem::path out, Access access);

  [[nodiscard]] const std::filesystem::path& out() const noexcept { return out_; }
  [[nodiscard]] std::filesystem::path folder(const std::string& cell) const { return out_ / "cells" / cell; }
  /// The result of a cell that is there. Throws Error for one that cannot be read.
  [[nodiscard]] std::optional<CellResult> find(const std::string& cell) const;

 private:
  std::filesystem::path out_;
  io::FileDescriptor lock_;
};

}  // namespace lorry::sweep
