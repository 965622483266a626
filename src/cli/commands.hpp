// cli/commands.hpp: the one list of commands. What runs, what --help shows and what a misspelt name is
// compared with all come from it; name and one-line help stand where each command is made.
#pragma once
#include <vector>

#include "cli/command.hpp"

namespace lorry::cli {

/// In the order of the help page.
std::vector<Command> make_commands();

}  // namespace lorry::cli
