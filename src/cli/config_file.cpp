#include "cli/config_file.hpp"

#include <yaml-cpp/yaml.h>

#include <set>

#include "cli/suggestion.hpp"
#include "core/error.hpp"
#include "io/message_text.hpp"
#include "io/text_file.hpp"

namespace lorry::cli {

namespace {

constexpr Index kMaxConfigBytes = Index{1} << 20;

std::string place(const std::filesystem::path& file, const YAML::Mark& mark) {
  return fmt::format("{}:{}", file.string(), mark.line + 1);
}

YAML::Node parse(const std::filesystem::path& file) {
  const std::string text = io::read_text_file(file, kMaxConfigBytes);
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() > 1) {
      throw Error("[config] {}: found a second document; expected one", place(file, documents[1].Mark()));
    }
    return documents.empty() ? YAML::Node() : documents.front();
  } catch (const YAML::Exception& fault) {
    throw Error("[config] {}: malformed YAML: {}", place(file, fault.mark), fault.msg);
  }
}

/// The value as a flag would be given it.
std::string text_of(const YAML::Node& value, const Option& option, const std::string& where) {
  if (value.IsScalar()) return value.Scalar();
  if (value.IsMap()) throw Error("{}: found a mapping; expected {}", where, option.binding.expected);
  std::string list;
  for (const YAML::Node& item : value) {
    // A list is for options that take several names; the others refuse the text it becomes.
    if (!item.IsScalar()) throw Error("{}: found a nested list; expected {}", where, option.binding.expected);
    list += (list.empty() ? "" : ",") + item.Scalar();
  }
  return list;
}

}  // namespace

void read_config(const std::filesystem::path& file, OptionTable& table) {
  const YAML::Node root = parse(file);
  if (root.IsNull()) return;
  if (!root.IsMap()) {
    throw Error("[config] {}: found no mapping; expected lines of `key: value`", place(file, root.Mark()));
  }
  std::set<std::string> seen;
  for (const auto& entry : root) {
    const YAML::Node& key = entry.first;
    const YAML::Node& value = entry.second;
    const std::string where = place(file, key.Mark());
    if (!key.IsScalar()) throw Error("[config] {}: found a key that is not a word", where);
    const std::string& name = key.Scalar();
    Option* option = table.find(name);
    if (option == nullptr || !option->in_config) {
      throw Error("[config] {}: unknown key {}{}", where, io::in_quotes(name),
                  option != nullptr ? "; expected on the command line" : suggest_option(name, table));
    }
    if (!seen.insert(option->name).second) {
      throw Error("[config] {}: key {} comes twice", where, io::in_quotes(name));
    }
    if (value.IsNull()) continue;
    const std::string field = fmt::format("[config] {}: {}", where, name);
    const std::string text = text_of(value, *option, field);
    if (option->source == Source::kFlag) continue;
    table.set(*option, text, Source::kConfig, field);
  }
}

}  // namespace lorry::cli
