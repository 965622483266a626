#include "sweep/cell_store.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <utility>

#include "core/error.hpp"

namespace lorry::sweep {

namespace {

namespace fs = std::filesystem;

/// Reports are rewritten as cells finish, so a folder of somebody's own must not be taken for a sweep's.
void check_content(const fs::path& out) {
  std::error_code failure;
  if (fs::exists(out, failure) && !fs::is_directory(out, failure)) {
    throw Error("[sweep] --out {}: found a file; expected a folder", out.string());
  }
  if (!fs::exists(out, failure) || fs::is_empty(out, failure) || fs::is_directory(out / "cells", failure))
    return;
  throw Error("[sweep] --out {}: holds other things; expected a new folder or that of a sweep", out.string());
}

}  // namespace

CellStore::CellStore(fs::path out, Access access) : out_(std::move(out)) {
  check_content(out_);
  if (access == Access::kRead) return;
  std::error_code failure;
  fs::create_directories(out_ / "cells", failure);
  if (failure) throw Error("[sweep] --out {}: cannot make the folder: {}", out_.string(), failure.message());
  lock_ = io::FileDescriptor(::open(out_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Where the file system has no locks nothing happens.
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  throw Error(
      "[sweep] --out {}: another process is writing there; expected it to end first, or another folder",
      out_.string());
}

std::optional<CellResult> CellStore::find(const std::string& cell) const {
  std::error_code failure;
  if (!fs::exists(folder(cell), failure)) return std::nullopt;
  return read_cell_result(folder(cell));
}

}  // namespace lorry::sweep
