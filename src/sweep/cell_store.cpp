#include "sweep/cell_store.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/error.hpp"

namespace lorry::sweep {

namespace {

namespace fs = std::filesystem;

constexpr const char* kKind = "lorry sweep";

bool has_marker(const fs::path& out) {
  std::error_code failure;
  if (!fs::exists(out / kMarkerFile, failure)) return false;
  const io::Json json = io::read_json_file(out / kMarkerFile);
  return json.is_object() && json.value("kind", io::Json()) == kKind;
}

/// A kill before the marker appeared leaves its temporary name, or nothing.
bool holds_nothing(const fs::path& out) {
  const std::string temporary = fmt::format(".{}.", kMarkerFile);
  return std::all_of(fs::directory_iterator(out), fs::directory_iterator(), [&](const auto& entry) {
    return entry.path().filename().string().starts_with(temporary);
  });
}

/// Reports are rewritten as cells finish, so a folder of somebody's own must not be taken for a sweep's.
void check_content(const fs::path& out) {
  std::error_code failure;
  if (!fs::exists(out, failure)) return;
  if (!fs::is_directory(out, failure)) {
    throw Error("[sweep] --out {}: found a file; expected a folder", out.string());
  }
  if (has_marker(out) || holds_nothing(out)) return;
  throw Error("[sweep] --out {}: holds other things; expected a new folder or that of a sweep (with {})",
              out.string(), kMarkerFile);
}

}  // namespace

CellStore::CellStore(fs::path out, Access access) : out_(std::move(out)) {
  check_content(out_);
  if (access == Access::kRead) return;
  std::error_code failure;
  fs::create_directories(out_, failure);
  if (failure) throw Error("[sweep] --out {}: cannot make the folder: {}", out_.string(), failure.message());
  lock_ = io::FileDescriptor(::open(out_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Where the file system has no locks nothing happens.
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    throw Error(
        "[sweep] --out {}: another process is writing there; expected it to end first, or another folder",
        out_.string());
  }
  if (!has_marker(out_))
    io::write_json_file(out_ / kMarkerFile, io::OrderedJson{{"kind", kKind}, {"format", 1}});
  fs::create_directories(out_ / "cells", failure);
  if (failure) throw Error("[sweep] --out {}: cannot make the folder: {}", out_.string(), failure.message());
}

std::optional<CellResult> CellStore::find(const std::string& cell) const {
  std::error_code failure;
  if (!fs::exists(folder(cell), failure)) return std::nullopt;
  return read_cell_result(folder(cell));
}

}  // namespace lorry::sweep
