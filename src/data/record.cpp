#include "data/record.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "core/error.hpp"
#include "io/message_text.hpp"
#include "io/text_file.hpp"

namespace lorry::data {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string_view without_byte_order_mark(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return text;
}

Index find_invalid_utf8(std::string_view text) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto size = static_cast<utf8proc_ssize_t>(text.size());
  for (utf8proc_ssize_t at = 0; at < size;) {
    utf8proc_int32_t code = 0;
    const utf8proc_ssize_t length = utf8proc_iterate(bytes + at, size - at, &code);
    if (length < 0) return at;
    at += length;
  }
  return -1;
}

/// `where` is "FILE:LINE".
void check_utf8(std::string_view line, const std::string& where) {
  const Index invalid = find_invalid_utf8(line);
  if (invalid < 0) return;
  throw Error("[data] {}: invalid UTF-8 at byte {} of the line; expected a file in UTF-8", where,
              invalid + 1);
}

Json parse_object(std::string_view line, const std::string& where) {
  check_utf8(line, where);
  Json value;
  try {
    value = Json::parse(line);
  } catch (const Json::parse_error& error) {
    throw Error("[data] {}: malformed JSON at byte {} of the line; expected one whole object per line", where,
                error.byte);
  } catch (const Json::exception&) {
    throw Error("[data] {}: malformed JSON: a number beyond all range; expected one whole object per line",
                where);
  }
  if (!value.is_object()) throw Error("[data] {}: found {}; expected an object", where, value.type_name());
  return value;
}

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
  for (Index number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = fmt::format("{}:{}", file, number);
    const Json object = parse_object(line, where);
    const RecordKind kind = records.empty() ? kind_of(object, where) : records.front().kind;
    records.push_back(to_record(object, kind, where));
  }
  return records;
}

std::vector<Record> parse_plain(std::string_view text, const std::string& file) {
  if (text.empty()) return {};
  std::string_view rest = text;
  for (Index number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    check_utf8(rest.substr(0, end), fmt::format("{}:{}", file, number));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
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
