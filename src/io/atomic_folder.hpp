// io/atomic_folder.hpp: output folders that appear complete or not at all.
#pragma once
#include <filesystem>

#include "io/file_descriptor.hpp"

namespace lorry::io {

/// What may happen to a folder of that name that already holds something. An empty one is always taken over.
enum class ExistingFolder {
  kRefuse,   // throw Error, before any work and again at commit
  kReplace,  // swap it for the new one at commit, then delete it with all it holds
};

/// A temporary folder beside the target (.NAME.tmp-PID-N). The caller fills path() with files; commit()
/// flushes them to the disk and renames the folder to the target. Destroyed without commit(), it removes the
/// temporary. What a killed process left behind is removed by the next AtomicFolder for the same target.
///
/// Replacing swaps both names in one step where the file system can. Where it cannot, the old folder is first
/// renamed to NAME.old-PID; if the process dies between the two renames, that is where the old folder is.
///
/// Every member throws Error with the target's path and the system's reason. Missing parents of the target
/// are made.
class AtomicFolder {
 public:
  explicit AtomicFolder(const std::filesystem::path& target,
                        ExistingFolder existing = ExistingFolder::kRefuse);
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;
  ~AtomicFolder();

  /// Where to write until commit().
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return temporary_; }
  [[nodiscard]] const std::filesystem::path& target() const noexcept { return target_; }

  /// Makes the target appear. To be called once, last.
  void commit();

 private:
  void replace_target();

  std::filesystem::path target_;
  std::filesystem::path temporary_;
  ExistingFolder existing_;
  FileDescriptor lock_;
  bool committed_ = false;
};

}  // namespace lorry::io
