// data/record.hpp: training examples as people write them: JSONL and plain text files, before any tokenizer.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "core/index.hpp"

namespace lorry::data {

enum class RecordKind {
  kText,        // {"text"}: every token is learnt
  kCompletion,  // {"prompt", "completion"}: only the completion is learnt
};

struct Record {
  RecordKind kind = RecordKind::kText;
  std::string prompt;  // kCompletion only; may be empty
  std::string text;    // the text or the completion; valid UTF-8
};

/// Reads one file: `.jsonl` holds one object per line, `.txt` is one record as a whole.
///
/// The first object decides the kind for all ("prompt" and "completion" before "text"); other keys are
/// ignored, as mlx-lm does, and blank lines are skipped. Throws Error with file and line for malformed JSON,
/// a missing key, a value that is not a string, invalid UTF-8 and an empty completion, and for a file with
/// no record.
std::vector<Record> read_records(const std::filesystem::path& path);

enum class Split { kTrain, kEvaluation };

/// The file that `--data PATH` means: PATH itself, or in a folder train.jsonl or valid.jsonl (mlx-lm's
/// names). Throws Error if it does not exist.
std::filesystem::path find_data_file(const std::filesystem::path& path, Split split);

}  // namespace lorry::data
