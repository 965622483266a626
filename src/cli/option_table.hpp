// cli/option_table.hpp: the options of one command, each said once: parsing, help, YAML keys and the record
// of a run all read this table.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/binding.hpp"

namespace lorry::cli {

/// Where an option's value came from; later ones win.
enum class Source { kDefault, kConfig, kFlag };

/// A flag `--name`, and the key `name` of a YAML config (with dashes or underscores).
struct Option {
  std::string name;         // "max-seq-length"
  std::string placeholder;  // "TOKENS"; shown in help
  std::string help;
  std::string group;  // heading in help
  Binding binding;
  std::string default_text = {};  // shown in help; empty: none
  Source source = Source::kDefault;
  bool required = false;
  std::string instead = {};  // an option that makes this one not required where it is given
  bool in_config = true;     // may stand in a YAML config, and is written to one
  bool positional = false;   // may be given without its flag
  bool repeated = false;     // may be given several times, in YAML as a list, or of pairs as a mapping: the
                             // binding is told each
  bool many = false;         // if repeated: one flag takes any number of values
  bool listed = false;       // if repeated: to_yaml writes a list of what was given
  Index least = 1;           // values, where it is required and repeated
  std::vector<std::string> texts = {};  // that it was given
};

class OptionTable {
 public:
  /// Heading of the options added from here on.
  void group(std::string name) { group_ = std::move(name); }
  /// The default shown in help is what the variable holds now. The reference is valid until the next add.
  Option& add(std::string name, std::string placeholder, Binding binding, std::string help);

  [[nodiscard]] const std::vector<Option>& options() const noexcept { return options_; }
  /// Dashes and underscores are the same; nullptr if there is none.
  [[nodiscard]] Option* find(std::string_view name);
  [[nodiscard]] const Option* find(std::string_view name) const;
  /// The option must exist.
  [[nodiscard]] Source source(std::string_view name) const;

  /// Reads `text` into the option; a repeated one takes it in addition. `where` starts the message ("--rank",
  /// "train.yaml:3: rank"). Throws OptionError.
  void set(Option& option, const std::string& text, Source source, const std::string& where);
  /// Throws OptionError naming the first required option that has no value, or too few.
  void check_required() const;

 private:
  std::string group_;
  std::vector<Option> options_;
};

/// YAML of every option for which `include` holds and that has a value, in the table's order and with
/// underscores; read_config takes it back.
std::string to_yaml(const OptionTable& table, const std::function<bool(const Option&)>& include);

}  // namespace lorry::cli
