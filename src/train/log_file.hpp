// train/log_file.hpp: log.jsonl: one JSON object per line, written as things happen.
#pragma once
#include <filesystem>
#include <functional>
#include <string_view>
#include <utility>

#include "io/append_file.hpp"
#include "io/json_file.hpp"
#include "train/evaluate.hpp"
#include "train/trainer.hpp"

namespace lorry::train {

inline constexpr std::string_view kLogFile = "log.jsonl";

/// Lines are whole at any moment the process may be killed, but for the last one. Throws Error where it
/// cannot write; a line that a full disk cuts short is taken back.
class LogFile {
 public:
  /// Starts the file anew, or keeps its first `keep` bytes (a checkpoint says how many) and goes on behind
  /// them. Throws Error where it has fewer.
  explicit LogFile(std::filesystem::path path, Index keep = 0);

  void write(const StepReport& report);
  void write(Index step, const Evaluation& evaluation);
  /// A line of another kind: an object that tells itself apart by its fields and begins with "step".
  void write(const io::OrderedJson& line);

  /// Bytes so far: whole lines.
  [[nodiscard]] Index size() const noexcept { return file_.size(); }
  /// Flushes what was written to the disk.
  void sync() { file_.sync(); }
  /// `listener` is told every line from here on, once it is written.
  void listen(std::function<void(const io::OrderedJson& line)> listener) { listener_ = std::move(listener); }

 private:
  io::AppendFile file_;
  std::function<void(const io::OrderedJson& line)> listener_;
};

}  // namespace lorry::train
