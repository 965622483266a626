#include "data/record_reader.hpp"

#include <cerrno>

#include "core/error.hpp"
#include "data/record_parser.hpp"
#include "data/text_lines.hpp"
#include "io/message_text.hpp"
#include "io/text_file.hpp"

namespace lorry::data {

RecordReader::RecordReader(std::filesystem::path path, RecordKeys keys)
    : path_(std::move(path)), keys_(std::move(keys)), plain_(is_plain_text(path_)) {
  std::error_code failure;
  if (plain_) return;
  errno = 0;
  if (!std::filesystem::is_directory(path_, failure)) file_.open(path_, std::ios::binary);
  if (file_.is_open()) return;
  throw Error("[data] {}: {}", path_.string(),
              errno != 0 ? io::errno_text(errno) : "not a file; expected one");
}

bool RecordReader::read_line() {
  place_ = {next_offset_, next_line_};
  if (!std::getline(file_, line_)) {
    if (file_.bad()) throw Error("[data] {}: {}", path_.string(), io::errno_text(errno));
    return false;
  }
  next_offset_ += static_cast<Index>(line_.size()) + 1;
  ++next_line_;
  return true;
}

Record RecordReader::parse(std::string_view line) {
  if (place_.offset == 0) line = without_byte_order_mark(line);
  return parse_record(line, kind_, keys_, where());
}

std::optional<Record> RecordReader::next() {
  if (plain_) return next_plain();
  while (read_line()) {
    std::string_view line = line_;
    if (place_.offset == 0) line = without_byte_order_mark(line);
    if (is_blank(line)) continue;
    Record record = parse(line_);
    kind_ = record.kind;
    return record;
  }
  if (!kind_) throw Error("[data] {}: empty data; expected at least one record", path_.string());
  return std::nullopt;
}

std::optional<Record> RecordReader::next_plain() {
  if (kind_) return std::nullopt;
  Record record;
  record.text = io::read_text_file(path_);
  record.text.erase(0, record.text.size() - without_byte_order_mark(record.text).size());
  if (record.text.empty()) {
    throw Error("[data] {}: empty data; expected at least one record", path_.string());
  }
  for_each_line(record.text, path_.string(), check_utf8);
  kind_ = record.kind;
  return record;
}

Record RecordReader::read_again(RecordPlace place) {
  if (plain_) {
    kind_.reset();
    return *next_plain();
  }
  file_.clear();
  file_.seekg(static_cast<std::streamoff>(place.offset));
  next_offset_ = place.offset;
  next_line_ = place.line;
  if (!read_line()) {
    throw Error("[data] {}: has become shorter since it was read first; expected a file that stays as it is",
                path_.string());
  }
  return parse(line_);
}

std::string RecordReader::where() const {
  return fmt::format("{}:{}", path_.string(), place_.line);
}

std::vector<Record> read_records(const std::filesystem::path& path, const RecordKeys& keys) {
  std::vector<Record> records;
  RecordReader reader(path, keys);
  while (std::optional<Record> record = reader.next()) records.push_back(std::move(*record));
  return records;
}

}  // namespace lorry::data
