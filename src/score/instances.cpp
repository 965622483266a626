#include "score/instances.hpp"

#include <optional>
#include <unordered_map>

#include "core/error.hpp"
#include "core/index.hpp"
#include "data/text_lines.hpp"
#include "io/message_text.hpp"
#include "io/text_file.hpp"

namespace lorry::score {

namespace {

using Json = nlohmann::json;

/// One text of a file, or one instance's texts.
struct Entry {
  std::optional<std::string> prompt;
  std::vector<std::string> texts;
};

bool is_jsonl(const std::filesystem::path& path) {
  return path.extension() == ".jsonl";
}

/// Calls take(line, where) for every line of the file, in UTF-8 and without its line end.
template <class Take>
void read_lines(const std::filesystem::path& path, Take take) {
  const std::string bytes = io::read_text_file(path);
  data::for_each_line(data::without_byte_order_mark(bytes), path.string(),
                      [&](std::string_view line, const std::string& where) {
                        data::check_utf8(line, where);
                        if (line.ends_with('\r')) line.remove_suffix(1);
                        take(line, where);
                      });
}

/// Calls take(object, where) for every line that is not blank.
template <class Take>
void read_objects(const std::filesystem::path& path, Take take) {
  read_lines(path, [&](std::string_view line, const std::string& where) {
    if (!data::is_blank(line)) take(data::parse_object(line, where), where);
  });
}

std::string text_of(const Json& value, const std::string& key, const std::string& where) {
  if (value.is_string()) return value.get<std::string>();
  throw Error(R"([score] {}: key "{}": found {}; expected a string)", where, key, value.type_name());
}

std::optional<std::string> find_text(const Json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end()) return std::nullopt;
  return text_of(*found, key, where);
}

std::vector<Entry> read_hypotheses(const std::filesystem::path& path) {
  std::vector<Entry> entries;
  if (!is_jsonl(path)) {
    read_lines(path, [&](std::string_view line, const std::string& /*where*/) {
      entries.push_back({.prompt = {}, .texts = {std::string(line)}});
    });
    return entries;
  }
  read_objects(path, [&](const Json& object, const std::string& where) {
    const auto text = find_text(object, "completion", where);
    if (!text) throw Error(R"([score] {}: key "completion": missing; expected the text to score)", where);
    entries.push_back({.prompt = find_text(object, "prompt", where), .texts = {*text}});
  });
  return entries;
}

std::vector<Entry> read_reference_lines(const std::filesystem::path& path) {
  std::vector<Entry> entries;
  bool open = false;  // the last entry may get more
  read_lines(path, [&](std::string_view line, const std::string& /*where*/) {
    if (data::is_blank(line)) {
      open = false;
      return;
    }
    if (!open) entries.emplace_back();
    open = true;
    entries.back().texts.emplace_back(line);
  });
  return entries;
}

/// {"references": [...]}, perhaps with a prompt.
Entry reference_list(const Json& object, const std::string& where) {
  const Json& list = object.at("references");
  if (!list.is_array() || list.empty()) {
    throw Error(R"([score] {}: key "references": found {}; expected a list of texts, at least one)", where,
                list.is_array() ? "an empty list" : list.type_name());
  }
  Entry entry = {.prompt = find_text(object, "prompt", where), .texts = {}};
  for (const Json& text : list) entry.texts.push_back(text_of(text, "references", where));
  return entry;
}

std::vector<Entry> read_references(const std::filesystem::path& path) {
  if (!is_jsonl(path)) return read_reference_lines(path);
  std::vector<Entry> entries;
  std::unordered_map<std::string, std::size_t> by_prompt;
  read_objects(path, [&](const Json& object, const std::string& where) {
    if (object.contains("references")) return entries.push_back(reference_list(object, where));
    const auto prompt = find_text(object, "prompt", where);
    const auto text = find_text(object, "completion", where);
    if (!prompt || !text) {
      throw Error(R"([score] {}: found neither "references" nor "prompt" and "completion"; expected one)",
                  where);
    }
    const auto [place, is_new] = by_prompt.emplace(*prompt, entries.size());
    if (is_new) entries.push_back({.prompt = prompt, .texts = {}});
    entries[place->second].texts.push_back(*text);
  });
  return entries;
}

bool have_prompts(const std::vector<Entry>& entries) {
  for (const Entry& entry : entries) {
    if (!entry.prompt) return false;
  }
  return true;
}

std::vector<Instance> match_by_prompt(const std::vector<Entry>& hypotheses, std::vector<Entry> references,
                                      const std::string& file) {
  std::unordered_map<std::string, const std::string*> by_prompt;
  for (const Entry& entry : hypotheses) by_prompt.emplace(*entry.prompt, &entry.texts.front());
  std::vector<Instance> instances;
  for (Entry& entry : references) {
    const auto found = by_prompt.find(*entry.prompt);
    if (found == by_prompt.end()) {
      throw Error("[score] {}: no completion for the prompt {}, which has references; expected one", file,
                  io::in_quotes(*entry.prompt));
    }
    instances.push_back({*found->second, std::move(entry.texts)});
  }
  return instances;
}

}  // namespace

std::vector<Instance> read_instances(const std::filesystem::path& hypotheses,
                                     const std::filesystem::path& references) {
  const std::vector<Entry> written = read_hypotheses(hypotheses);
  std::vector<Entry> wanted = read_references(references);
  if (wanted.empty()) throw Error("[score] {}: no references; expected at least one", references.string());
  if (written.empty()) throw Error("[score] {}: no texts; expected at least one", hypotheses.string());
  if (have_prompts(written) && have_prompts(wanted)) {
    return match_by_prompt(written, std::move(wanted), hypotheses.string());
  }
  if (written.size() != wanted.size()) {
    throw Error("[score] {}: found {} texts; expected {}, as many as {} has groups of references",
                hypotheses.string(), written.size(), wanted.size(), references.string());
  }
  std::vector<Instance> instances;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    instances.push_back({written[i].texts.front(), std::move(wanted[i].texts)});
  }
  return instances;
}

}  // namespace lorry::score
