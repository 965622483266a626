// cli/standard_input.hpp: what a user pipes into the program.
#pragma once
#include <string>

namespace lorry::cli {

/// All of it, up to its end. Throws Error where it cannot be read, or is longer than 64 MiB.
std::string read_standard_input();

}  // namespace lorry::cli
