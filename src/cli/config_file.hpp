// cli/config_file.hpp: YAML files of options.
#pragma once
#include <filesystem>

#include "cli/option_table.hpp"

namespace lorry::cli {

/// Sets every option that the file names, but those that a flag has set. Lists become comma-separated text;
/// null leaves the default. Throws Error with file and line for malformed YAML, unknown or repeated keys
/// (with the nearest known one) and values of the wrong kind.
void read_config(const std::filesystem::path& file, OptionTable& table);

}  // namespace lorry::cli
