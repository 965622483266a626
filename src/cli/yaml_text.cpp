#include "cli/yaml_text.hpp"

#include <algorithm>
#include <set>
#include <vector>

#include "core/error.hpp"
#include "core/index.hpp"
#include "io/message_text.hpp"
#include "io/text_file.hpp"
#include "text/utf8.hpp"

namespace lorry::cli {

namespace {

constexpr Index kMaxConfigBytes = Index{1} << 20;

std::string place(const std::filesystem::path& file, const YAML::Mark& mark) {
  return fmt::format("[config] {}:{}", file.string(), mark.line + 1);
}

/// Keys and values go to names, messages and JSON, none of which can hold anything else.
void check_utf8(const std::filesystem::path& file, const std::string& text) {
  if (text::is_valid_utf8(text)) return;
  const std::string repaired = text::replace_invalid_utf8(text);
  const auto bad = std::mismatch(text.begin(), text.end(), repaired.begin(), repaired.end()).first;
  throw Error("[config] {}:{}: found text that is not UTF-8; expected a file in UTF-8", file.string(),
              std::count(text.begin(), bad, '\n') + 1);
}

}  // namespace

YAML::Node parse_yaml(const std::filesystem::path& file) {
  const std::string text = io::read_text_file(file, kMaxConfigBytes);
  check_utf8(file, text);
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() > 1) {
      throw Error("{}: found a second document; expected one", place(file, documents[1].Mark()));
    }
    return documents.empty() ? YAML::Node() : documents.front();
  } catch (const YAML::Exception& fault) {
    throw Error("{}: malformed YAML: {}", place(file, fault.mark), fault.msg);
  }
}

std::string yaml_place(const std::filesystem::path& file, const YAML::Node& node) {
  return place(file, node.Mark());
}

void for_each_key(const std::filesystem::path& file, const YAML::Node& mapping,
                  const std::function<void(const std::string& key, const YAML::Node& value,
                                           const std::string& where)>& take) {
  std::set<std::string> seen;
  for (const auto& entry : mapping) {
    const std::string where = yaml_place(file, entry.first);
    if (!entry.first.IsScalar()) throw Error("{}: found a key that is not a word", where);
    const std::string& key = entry.first.Scalar();
    std::string folded = key;
    std::replace(folded.begin(), folded.end(), '_', '-');
    if (!seen.insert(folded).second) throw Error("{}: key {} comes twice", where, io::in_quotes(key));
    take(key, entry.second, where);
  }
}

std::string yaml_text(const YAML::Node& value, std::string_view expected, const std::string& where) {
  if (value.IsScalar()) return value.Scalar();
  if (value.IsMap()) throw Error("{}: found a mapping; expected {}", where, expected);
  std::string list;
  for (const YAML::Node& item : value) {
    // A list is for options that take several names; the others refuse the text it becomes.
    if (!item.IsScalar()) throw Error("{}: found a nested list; expected {}", where, expected);
    list += (list.empty() ? "" : ",") + item.Scalar();
  }
  return list;
}

}  // namespace lorry::cli
