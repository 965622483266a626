// cli/help.hpp: the pages that --help prints.
#pragma once
#include <span>
#include <string>

#include "cli/command.hpp"

namespace lorry::cli {

/// Purpose, usage, options by group with defaults (or the commands it holds), notes. `name` is what stands
/// behind "lorry" to call it: "analyze spectrum".
std::string command_help(const Command& command, const std::string& name);
/// "lorry train --model DIR --data PATH [options]".
std::string command_usage(const Command& command, const std::string& name);
/// The commands, one line each.
std::string program_help(std::span<const Command> commands);

}  // namespace lorry::cli
