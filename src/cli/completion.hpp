// cli/completion.hpp: scripts by which shells complete lorry's commands, flags and values. Made from the same
// tables as parsing and help.
#pragma once
#include <span>
#include <string>

#include "cli/command.hpp"

namespace lorry::cli {

/// For bash, without the package bash-completion.
std::string bash_completion(std::span<const Command> commands);
/// For zsh: a file for $fpath, which may be sourced too.
std::string zsh_completion(std::span<const Command> commands);

}  // namespace lorry::cli
