// data/sources.hpp: which files data come from and how they are read: what --data and the options beside it
// say.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "core/index.hpp"
#include "data/record.hpp"

namespace lorry::data {

struct DataFile {
  std::filesystem::path path;
  double weight =
      1.0;  // an epoch goes through the file so many times; parts of a time take parts of its documents
};

/// Files and folders as a user names them; one path is the usual case.
struct DataFiles {
  std::vector<DataFile> list;

  DataFiles() = default;
  DataFiles(std::filesystem::path path) : list{{std::move(path)}} {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool empty() const noexcept { return list.empty(); }
  /// "a.jsonl:2,b.jsonl": as parse_data_files takes them.
  [[nodiscard]] std::string text() const;
};

/// Adds what `text` names: paths separated by commas, each with an optional weight behind a colon. A file
/// whose own name has commas or ends like a weight is taken as it is. False for a weight that is not above 0
/// and at most 1000, and for an empty path.
bool parse_data_files(const std::string& text, DataFiles& to);

enum class Split { kTrain, kEvaluation, kTest };

/// "train", "valid", "test".
std::string_view name_of(Split split);

/// The file that PATH means: PATH itself, or in a folder train.jsonl, valid.jsonl or test.jsonl (mlx-lm's
/// names). Throws Error if it does not exist.
std::filesystem::path find_data_file(const std::filesystem::path& path, Split split);

/// The same for all.
DataFiles find_data_files(const DataFiles& files, Split split);

struct DataOptions {
  RecordKeys keys = {};
  std::string chat_template = {};  // empty: the model's own
  bool train_on_prompt = false;    // every token is learnt
  Index memory = 256;  // MiB of tokens kept; of larger data the records are read again as they are needed
};

}  // namespace lorry::data
