// train/output_folder.hpp: the folder that one run writes: made early, kept from other runs, never one with
// weights of anything else in it.
#pragma once
#include <filesystem>

#include "io/file_descriptor.hpp"
#include "train/options.hpp"

namespace lorry::train {

/// Throws Error where an OutputFolder would, but makes, holds and changes nothing. Whether the folder holds
/// the result of a run: only with options.resume.
bool check_output_folder(const TrainOptions& options);

/// Holds options.out for one run. Taken before anything is loaded: a run must not find out late that it
/// cannot write. The lock hangs on an open file, so a process that died has none.
class OutputFolder {
 public:
  /// Makes the folder. Throws Error if it cannot or must not write there, if another run holds it, if it is
  /// what the run starts from, or if it holds weights or checkpoints already: no result and no model is ever
  /// overwritten. With options.resume what an earlier start of such a run left there is welcome, finished or
  /// not.
  explicit OutputFolder(const TrainOptions& options);
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;
  /// Takes the folder away again if it is still empty.
  ~OutputFolder();

  /// Whether it holds the result of a run: only with options.resume.
  [[nodiscard]] bool finished() const noexcept { return finished_; }

 private:
  explicit OutputFolder(std::filesystem::path folder);  // made and held, not yet checked

  std::filesystem::path folder_;
  io::FileDescriptor lock_;
  bool finished_ = false;
};

}  // namespace lorry::train
