// cli/help.hpp: the pages that --help prints.
#pragma once
#include <span>
#include <string>

#include "cli/command.hpp"

namespace lorry::cli {

/// Purpose, usage, options by group with defaults, notes.
std::string command_help(const Command& command);
/// The commands, one line each.
std::string program_help(std::span<const Command> commands);

}  // namespace lorry::cli
