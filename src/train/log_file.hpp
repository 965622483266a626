// train/log_file.hpp: log.jsonl: one JSON object per line, written as things happen.
#pragma once
#include <filesystem>
#include <fstream>

#include "io/json_file.hpp"
#include "train/evaluate.hpp"
#include "train/trainer.hpp"

namespace lorry::train {

/// Lines are whole at any moment the process may be killed, but for the last one. Throws Error where it
/// cannot write.
class LogFile {
 public:
  /// Starts the file anew.
  explicit LogFile(std::filesystem::path path);

  void write(const StepReport& report);
  void write(Index step, const Evaluation& evaluation);
  /// A line of another kind: an object that tells itself apart by its fields and begins with "step".
  void write(const io::OrderedJson& line);

 private:
  std::filesystem::path path_;
  std::ofstream file_;
};

}  // namespace lorry::train
