#include "data/record_parser.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "data/json_record.hpp"
#include "data/text_lines.hpp"
#include "io/message_text.hpp"

namespace lorry::data {
namespace {

std::string key_list(const Json& object) {
  std::string list;
  for (const auto& item : object.items()) {
    if (!list.empty()) list += ", ";
    if (list.size() > 200) return list + "...";
    list += io::in_quotes(item.key());
  }
  return list.empty() ? "no keys" : list;
}

std::optional<RecordKind> find_kind(const Json& object, const RecordKeys& keys) {
  if (object.contains(keys.prompt) && object.contains(keys.completion)) return RecordKind::kCompletion;
  if (object.contains(keys.messages)) return RecordKind::kMessages;
  if (object.contains("conversations")) return RecordKind::kSharegpt;
  if (object.contains(keys.instruction) && object.contains(keys.output)) return RecordKind::kAlpaca;
  if (object.contains(keys.text)) return RecordKind::kText;
  return std::nullopt;
}

/// A record of another kind than the first one's is told as such.
void check_kind(const Json& object, RecordKind kind, const RecordKeys& keys, const std::string& where) {
  const std::optional<RecordKind> found = find_kind(object, keys);
  const bool other = found && *found != kind;
  const bool has_own = (kind == RecordKind::kText && object.contains(keys.text)) ||
                       (kind == RecordKind::kMessages && object.contains(keys.messages)) ||
                       (kind == RecordKind::kSharegpt && object.contains("conversations")) ||
                       (kind == RecordKind::kAlpaca && object.contains(keys.instruction));
  if (!other || has_own) return;
  throw Error("[data] {}: found a record of {}; expected {}, as the file's first record", where,
              name_of(*found), name_of(kind));
}

Record to_record(const Json& object, RecordKind kind, const RecordKeys& keys, const std::string& where) {
  Record record{.kind = kind};
  if (kind == RecordKind::kText) {
    record.text = get_string(object, keys.text, where, keys.text);
  } else if (kind == RecordKind::kCompletion) {
    record.prompt = get_string(object, keys.prompt, where, keys.prompt);
    record.text = get_string(object, keys.completion, where, keys.completion);
    record.conversation.where = "[data] " + where;
    if (record.text.empty()) {
      throw Error(R"([data] {}: key "{}": empty; expected text to learn)", where, keys.completion);
    }
  } else {
    record.conversation = to_conversation(object, kind, keys, where);
  }
  return record;
}

void append_json(const Json& value, int depth, const std::string& where, std::string& out) {
  constexpr int kDeepest = 100;
  if (depth > kDeepest) throw Error("[data] {}: tools nest deeper than {} levels", where, kDeepest);
  if (!value.is_structured()) {
    out += value.dump();
    return;
  }
  out += value.is_object() ? '{' : '[';
  bool first = true;
  for (const auto& item : value.items()) {
    if (!first) out += ", ";
    first = false;
    if (value.is_object()) out += Json(item.key()).dump() + ": ";
    append_json(item.value(), depth + 1, where, out);
  }
  out += value.is_object() ? '}' : ']';
}

}  // namespace

std::string_view name_of(RecordKind kind) {
  switch (kind) {
    case RecordKind::kText:
      return "text";
    case RecordKind::kCompletion:
      return "prompt and completion";
    case RecordKind::kMessages:
      return "messages";
    case RecordKind::kAlpaca:
      return "alpaca";
    case RecordKind::kSharegpt:
      return "sharegpt";
  }
  return "";
}

std::vector<std::string> notes_on_keys(const RecordKeys& keys, const std::set<RecordKind>& kinds) {
  const RecordKeys usual;
  std::vector<std::string> notes;
  for (const RecordKeyName& key : kRecordKeyNames) {
    if (keys.*key.key == usual.*key.key || kinds.contains(key.kind)) continue;
    notes.push_back(fmt::format("--{}-key has no effect: no record is of that kind", key.name));
  }
  return notes;
}

Record parse_record(std::string_view line, std::optional<RecordKind> kind, const RecordKeys& keys,
                    const std::string& where) {
  const Json object = parse_object(line, where);
  if (kind) {
    check_kind(object, *kind, keys, where);
  } else {
    kind = find_kind(object, keys);
  }
  if (!kind) {
    throw Error(
        R"([data] {}: found {}; expected "{}", "{}" and "{}", "{}", "conversations", or "{}" and "{}")",
        where, key_list(object), keys.text, keys.prompt, keys.completion, keys.messages, keys.instruction,
        keys.output);
  }
  return to_record(object, *kind, keys, where);
}

std::string python_json(const Json& value, const std::string& where) {
  std::string out;
  append_json(value, 0, where, out);
  return out;
}

}  // namespace lorry::data
