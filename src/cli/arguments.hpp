// cli/arguments.hpp: from the command line to a command with all its options set.
#pragma once
#include <span>
#include <string>

#include "cli/command.hpp"

namespace lorry::cli {

/// What the command line asks for.
struct Request {
  Command* command = nullptr;  // to be run; null: none
  bool wants_version = false;
  std::string text = {};  // else: the help page to print
};

/// Reads flags, then the YAML file they name, and checks what is required. Throws OptionError and Error.
Request parse_arguments(int argc, const char* const* argv, std::span<Command> commands);

}  // namespace lorry::cli
