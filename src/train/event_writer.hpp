// train/event_writer.hpp: what log.jsonl says, as TensorBoard reads it: event files in a folder of the run.
#pragma once
#include <filesystem>
#include <optional>
#include <string_view>

#include "core/index.hpp"
#include "io/append_file.hpp"
#include "io/json_file.hpp"

namespace lorry::train {

inline constexpr std::string_view kEventFolder = "runs";  // in the output folder

/// Throws Error where `folder` cannot be one or holds events of another run than that of `out`, with whose
/// curves those would be mixed. Empty: the run's own, always good. Writes nothing.
void check_event_folder(const std::filesystem::path& out, const std::filesystem::path& folder);

/// Every start of a run writes a file of its own, and first takes from those of earlier starts what lies
/// behind the step from which the run goes on: together they hold every step once, wherever the run was
/// killed. Readers that look on meanwhile are told.
class EventWriter {
 public:
  /// `out`: of the run. `folder`: where the files go; empty: OUT/runs. `first_step`: steps done already, of
  /// which nothing is written again; 0: the run starts afresh, and what was there of it goes. Throws Error
  /// where it cannot write, and as check_event_folder does.
  EventWriter(const std::filesystem::path& out, std::filesystem::path folder, Index first_step);

  /// A line of log.jsonl: its curves (train/log_scalars.hpp), and its samples as text. Lines with nothing of
  /// these are passed over. Throws Error where it cannot write.
  void add(const io::OrderedJson& line);
  /// Text to be shown as it is.
  void add_code(Index step, std::string_view tag, std::string_view text);
  /// Flushes what was written to the disk. Throws Error.
  void sync() { file_->sync(); }

 private:
  void cut_earlier(Index first_step) const;
  void open_file(const std::string& writer);
  void add_text(Index step, std::string_view tag, std::string_view text);

  std::filesystem::path folder_;
  std::optional<io::AppendFile> file_;
};

}  // namespace lorry::train
