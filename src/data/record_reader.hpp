// data/record_reader.hpp: files of records, read one record at a time, from the start or again by their
// place.
#pragma once
#include <filesystem>
#include <fstream>
#include <optional>
#include <vector>

#include "data/record.hpp"

namespace lorry::data {

/// Where a record stands in its file.
struct RecordPlace {
  Index offset = 0;  // bytes
  Index line = 1;
};

/// `.jsonl` holds one object per line, `.txt` is one record as a whole. The first object decides the kind for
/// all (parse_record); blank lines are skipped. Of a .jsonl no more than a line is in memory.
class RecordReader {
 public:
  /// Throws Error if the file cannot be read or its name ends otherwise. Borrows nothing.
  explicit RecordReader(std::filesystem::path path, RecordKeys keys = {});

  /// The next record; nothing at the end. Throws Error, see parse_record, and for a file without any record.
  std::optional<Record> next();
  /// Where the record stood that next() gave last.
  [[nodiscard]] RecordPlace place() const noexcept { return place_; }
  /// A record that next() has given before. Throws Error, also where the file has changed since.
  Record read_again(RecordPlace place);

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  /// Of the records; empty before the first.
  [[nodiscard]] std::optional<RecordKind> kind() const noexcept { return kind_; }
  /// "FILE:LINE" of place().
  [[nodiscard]] std::string where() const;

 private:
  std::optional<Record> next_plain();
  Record parse(std::string_view line);
  bool read_line();

  std::filesystem::path path_;
  RecordKeys keys_;
  bool plain_;
  std::ifstream file_;
  std::string line_;
  Index next_offset_ = 0;
  Index next_line_ = 1;
  RecordPlace place_;
  std::optional<RecordKind> kind_;
};

/// All records of a file, in memory. Throws Error.
std::vector<Record> read_records(const std::filesystem::path& path, const RecordKeys& keys = {});

}  // namespace lorry::data
