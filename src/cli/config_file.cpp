#include "cli/config_file.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "cli/aliases.hpp"
#include "cli/suggestion.hpp"
#include "cli/yaml_text.hpp"
#include "core/option_error.hpp"
#include "io/message_text.hpp"

namespace lorry::cli {

namespace {

/// One key of the file that sets an option.
struct Given {
  Option* option = nullptr;
  const Alias* alias = nullptr;  // null: by its own name
  std::string name;              // as the file has it, with the mappings that it stands in
  std::string field;             // its place, for messages
  std::vector<std::string> texts;
};

bool holds_mappings(const YAML::Node& value) {
  return value.IsMap() ||
         (value.IsSequence() &&
          std::any_of(value.begin(), value.end(), [](const YAML::Node& item) { return item.IsMap(); }));
}

class ConfigReader {
 public:
  ConfigReader(const std::filesystem::path& file, OptionTable& table,
               const std::vector<ConfigSection>& sections)
      : file_(file), table_(table), sections_(sections) {}

  void read(const YAML::Node& root) {
    read_mapping(root, "");
    join_lists();
    for (const Given& given : given_) set(given);
    // Last: some texts are multiples of what the others set.
    for (const Given& given : multiples_) set_multiple(given);
  }

 private:
  void read_mapping(const YAML::Node& mapping, const std::string& prefix) {
    for_each_key(file_, mapping,
                 [&](const std::string& key, const YAML::Node& value, const std::string& where) {
                   read_key(prefix + key, value, where);
                 });
  }

  void read_key(const std::string& name, const YAML::Node& value, const std::string& where) {
    const auto section = std::find_if(sections_.begin(), sections_.end(),
                                      [&](const ConfigSection& known) { return known.name == name; });
    if (section != sections_.end()) return section->read(value, where);
    if (holds_mappings(value) && holds_aliases(table_, name)) return read_inner(name, value);
    if (const Settled* settled = find_settled(table_, name))
      return check_settled(*settled, name, value, where);
    const Alias* alias = find_alias(table_, name, value.IsScalar() ? value.Scalar() : "");
    Option* option = table_.find(alias != nullptr ? alias->option : std::string_view(name));
    if (option == nullptr) throw_unknown(name, where);
    if (!option->in_config) {
      throw OptionError("{}: unknown key {}; expected on the command line", where, io::in_quotes(name));
    }
    if (value.IsNull()) return;
    take({.option = option,
          .alias = alias,
          .name = name,
          .field = fmt::format("{}: {}", where, name),
          .texts = {}},
         value);
  }

  /// A mapping of another trainer, or a list of such.
  void read_inner(const std::string& name, const YAML::Node& value) {
    if (value.IsMap()) return read_mapping(value, name + ".");
    for (const YAML::Node& item : value) {
      if (!item.IsMap()) {
        throw OptionError("{}: {}: found a list of mappings and others; expected one kind",
                          yaml_place(file_, item), name);
      }
      read_mapping(item, name + ".");
    }
  }

  static void check_settled(const Settled& settled, const std::string& name, const YAML::Node& value,
                            const std::string& where) {
    if (value.IsNull()) return;
    const std::string field = fmt::format("{}: {}", where, name);
    std::string expected = settled.values.empty() ? "null" : std::string(settled.values);
    for (std::size_t at = expected.find(','); at != std::string::npos; at = expected.find(',', at)) {
      expected.replace(at, 1, " or ");
    }
    const std::string text = yaml_text(value, expected, field);
    std::string_view rest = settled.values;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(','), rest.size());
      if (rest.substr(0, end) == text) return;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    throw OptionError("{}: found {}; expected {}: {}", field, io::in_quotes(text), expected, settled.reason);
  }

  [[noreturn]] void throw_unknown(const std::string& name, const std::string& where) {
    std::vector<std::string_view> extra;
    extra.reserve(sections_.size());
    for (const ConfigSection& section : sections_) extra.push_back(section.name);
    throw OptionError("{}: unknown key {}{}", where, io::in_quotes(name),
                      suggest_option(name, table_, extra));
  }

  void take(Given given, const YAML::Node& value) {
    const std::string expected = given.alias != nullptr && given.alias->convert != nullptr
                                     ? std::string(given.alias->expected)
                                     : given.option->binding.expected;
    const auto add = [&](const YAML::Node& item) {
      const std::string text = yaml_text(item, expected, given.field);
      given.texts.push_back(given.alias != nullptr ? translate<OptionError>(*given.alias, text, given.field)
                                                   : text);
    };
    if (given.option->binding.is_pairs && value.IsMap()) {
      for_each_key(file_, value, [&](const std::string& key, const YAML::Node& item, const std::string&) {
        given.texts.push_back(fmt::format("{}={}", key, yaml_text(item, expected, given.field)));
      });
    } else if (given.option->repeated && value.IsSequence()) {
      for (const YAML::Node& item : value) add(item);
    } else {
      add(value);
    }
    check_other_names(given);
    std::vector<Given>& list = given.alias != nullptr && given.alias->per_rank ? multiples_ : given_;
    list.push_back(std::move(given));
  }

  /// An option has one name in a file; within a list of mappings the name may come again.
  void check_other_names(const Given& now) const {
    const auto joins = [](const Given& given) { return given.alias != nullptr && given.alias->joins; };
    for (const std::vector<Given>* list : {&given_, &multiples_}) {
      for (const Given& before : *list) {
        if (before.option != now.option || (joins(before) && joins(now))) continue;
        if (before.name != now.name) {
          throw OptionError("{}: found beside {}, which says the same; expected one of them", now.field,
                            before.name);
        }
        if (!now.option->repeated && before.texts != now.texts) {
          throw OptionError("{}: found {} and {}; expected one value for all", now.field,
                            io::in_quotes(before.texts.front()), io::in_quotes(now.texts.front()));
        }
      }
    }
  }

  /// Names whose lists are parts of one: the first takes what the others have.
  void join_lists() {
    Given* first = nullptr;
    for (Given& given : given_) {
      if (given.alias == nullptr || !given.alias->joins) continue;
      if (first == nullptr) {
        first = &given;
        continue;
      }
      const std::string& more = given.texts.front();
      std::string& all = first->texts.front();
      if (!more.empty() && !all.empty() && (more == "all-linear" || all == "all-linear")) {
        throw OptionError("{}: found beside {}; expected one of them", given.field, first->name);
      }
      if (!more.empty()) all += (all.empty() ? "" : ",") + more;
      given.option = nullptr;
    }
  }

  void set(const Given& given) {
    if (given.option == nullptr || given.option->source == Source::kFlag) return;
    for (const std::string& text : given.texts) {
      // "false" to all of lora_target_linear and the like says nothing.
      if (text.empty() && given.alias != nullptr && given.alias->joins) continue;
      table_.set(*given.option, text, Source::kConfig, given.field);
    }
  }

  void set_multiple(const Given& given) {
    if (given.option->source == Source::kFlag) return;
    const std::string& text = given.texts.front();
    const Option* rank = table_.find("rank");
    const auto number = [](const std::string& digits, double& to) {
      const auto [stop, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), to);
      return failure == std::errc{} && stop == digits.data() + digits.size();
    };
    double scale = 0;
    double times = 0;
    if (rank == nullptr || !number(text, scale) || !number(rank->binding.show(), times)) {
      throw OptionError("{}: found {}; expected a number above 0", given.field, io::in_quotes(text));
    }
    const Option* root = table_.find("use-rslora");
    if (root != nullptr && root->binding.show() == "true") times = std::sqrt(times);
    table_.set(*given.option, fmt::format("{}", scale * times), Source::kConfig, given.field);
  }

  const std::filesystem::path& file_;
  OptionTable& table_;
  const std::vector<ConfigSection>& sections_;
  std::vector<Given> given_;      // in the file's order
  std::vector<Given> multiples_;  // Alias::per_rank
};

}  // namespace

void read_config(const std::filesystem::path& file, OptionTable& table,
                 const std::vector<ConfigSection>& sections) {
  const YAML::Node root = parse_yaml(file);
  if (root.IsNull()) return;
  if (!root.IsMap()) {
    throw OptionError("{}: found no mapping; expected lines of `key: value`", yaml_place(file, root));
  }
  ConfigReader(file, table, sections).read(root);
}

}  // namespace lorry::cli
