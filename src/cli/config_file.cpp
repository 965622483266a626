#include "cli/config_file.hpp"

#include <algorithm>

#include "cli/suggestion.hpp"
#include "cli/yaml_text.hpp"
#include "core/error.hpp"
#include "io/message_text.hpp"

namespace lorry::cli {

namespace {

[[noreturn]] void throw_unknown(const std::string& name, const OptionTable& table,
                                const std::vector<ConfigSection>& sections, const std::string& where) {
  std::vector<std::string_view> names;
  for (const Option& option : table.options()) names.push_back(option.name);
  for (const ConfigSection& section : sections) names.push_back(section.name);
  throw Error("{}: unknown key {}{}", where, io::in_quotes(name), suggest_option(name, names));
}

}  // namespace

void read_config(const std::filesystem::path& file, OptionTable& table,
                 const std::vector<ConfigSection>& sections) {
  const YAML::Node root = parse_yaml(file);
  if (root.IsNull()) return;
  if (!root.IsMap()) {
    throw Error("{}: found no mapping; expected lines of `key: value`", yaml_place(file, root));
  }
  for_each_key(file, root, [&](const std::string& name, const YAML::Node& value, const std::string& where) {
    const auto section = std::find_if(sections.begin(), sections.end(),
                                      [&](const ConfigSection& known) { return known.name == name; });
    if (section != sections.end()) return section->read(value, where);
    Option* option = table.find(name);
    if (option == nullptr) throw_unknown(name, table, sections, where);
    if (!option->in_config) {
      throw Error("{}: unknown key {}; expected on the command line", where, io::in_quotes(name));
    }
    if (value.IsNull()) return;
    const std::string field = fmt::format("{}: {}", where, name);
    const auto take = [&](const YAML::Node& item) {
      const std::string text = yaml_text(item, option->binding.expected, field);
      if (option->source != Source::kFlag) table.set(*option, text, Source::kConfig, field);
    };
    if (!option->repeated || !value.IsSequence()) return take(value);
    for (const YAML::Node& item : value) take(item);
  });
}

}  // namespace lorry::cli
