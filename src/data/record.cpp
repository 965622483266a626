#include "data/record.hpp"

#include <string_view>

#include "core/error.hpp"
#include "data/text_lines.hpp"
#include "io/message_text.hpp"
#include "io/text_file.hpp"

namespace lorry::data {
namespace {

using Json = nlohmann::json;

std::string key_list(const Json& object) {
  std::string list;
  for (const auto& item : object.items()) {
    if (!list.empty()) list += ", ";
    if (list.size() > 200) return list + "...";
    list += io::in_quotes(item.key());
  }
  return list.empty() ? "no keys" : list;
}

RecordKind kind_of(const Json& object, const std::string& where) {
  if (object.contains("prompt") && object.contains("completion")) return RecordKind::kCompletion;
  if (object.contains("text")) return RecordKind::kText;
  throw Error(R"([data] {}: found {}; expected "text", or "prompt" and "completion")", where,
              key_list(object));
}

std::string get_string(const Json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end()) {
    throw Error(R"([data] {}: key "{}": missing; expected it as in the file's first record)", where, key);
  }
  if (!found->is_string()) {
    throw Error(R"([data] {}: key "{}": found {}; expected a string)", where, key, found->type_name());
  }
  return found->get<std::string>();
}

Record to_record(const Json& object, RecordKind kind, const std::string& where) {
  if (kind == RecordKind::kText) return {kind, "", get_string(object, "text", where)};
  Record record = {kind, get_string(object, "prompt", where), get_string(object, "completion", where)};
  if (record.text.empty())
    throw Error(R"([data] {}: key "completion": empty; expected text to learn)", where);
  return record;
}

std::vector<Record> parse_jsonl(std::string_view text, const std::string& file) {
  std::vector<Record> records;
  for_each_line(text, file, [&](std::string_view line, const std::string& where) {
    if (is_blank(line)) return;
    const Json object = parse_object(line, where);
    const RecordKind kind = records.empty() ? kind_of(object, where) : records.front().kind;
    records.push_back(to_record(object, kind, where));
  });
  return records;
}

std::vector<Record> parse_plain(std::string_view text, const std::string& file) {
  if (text.empty()) return {};
  for_each_line(text, file, check_utf8);
  std::vector<Record> records(1);
  records.front().text = text;
  return records;
}

}  // namespace

std::vector<Record> read_records(const std::filesystem::path& path) {
  const std::string extension = path.extension().string();
  const bool plain = extension == ".txt";
  if (!plain && extension != ".jsonl") {
    throw Error("[data] {}: found a file ending in {}; expected .jsonl or .txt", path.string(),
                io::in_quotes(extension));
  }
  const std::string bytes = io::read_text_file(path);
  const std::string_view text = without_byte_order_mark(bytes);
  std::vector<Record> records = plain ? parse_plain(text, path.string()) : parse_jsonl(text, path.string());
  if (records.empty()) throw Error("[data] {}: empty data; expected at least one record", path.string());
  return records;
}

std::filesystem::path find_data_file(const std::filesystem::path& path, Split split) {
  std::error_code ignored;
  const bool folder = std::filesystem::is_directory(path, ignored);
  std::filesystem::path file =
      folder ? path / (split == Split::kTrain ? "train.jsonl" : "valid.jsonl") : path;
  if (!std::filesystem::exists(file, ignored)) {
    throw Error(
        "[data] {}: no such file; expected {}", file.string(),
        folder ? "it in the data folder" : "a .jsonl or .txt file, or a folder that holds train.jsonl");
  }
  return file;
}

}  // namespace lorry::data
