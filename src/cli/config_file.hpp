// cli/config_file.hpp: YAML files of options, by their names or those of other trainers (cli/aliases.hpp).
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "cli/option_table.hpp"

namespace YAML {  // NOLINT(readability-identifier-naming): the library's own name
class Node;
}

namespace lorry::cli {

/// A key that is no option: its value is handed on. `where` is its place, to begin messages with.
struct ConfigSection {
  std::string name;
  std::function<void(const YAML::Node& value, const std::string& where)> read;
};

/// Sets every option that the file names, but those that a flag has set. Lists become comma-separated text;
/// null leaves the default. Throws Error with file and line for malformed YAML, OptionError for unknown or
/// repeated keys (with the nearest known one), an option under two names, and values of the wrong kind.
void read_config(const std::filesystem::path& file, OptionTable& table,
                 const std::vector<ConfigSection>& sections = {});

}  // namespace lorry::cli
