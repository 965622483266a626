// train/log_file.hpp: log.jsonl: one JSON object per line, written as things happen.
#pragma once
#include <filesystem>
#include <fstream>

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

 private:
  void write_line(const std::string& line);

  std::filesystem::path path_;
  std::ofstream file_;
};

}  // namespace lorry::train
