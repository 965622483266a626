// cli/man_page.hpp: the manual page, made from the same tables as parsing and help.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "cli/command.hpp"

namespace lorry::cli {

/// lorry(1) in the man(7) macros.
std::string man_page(std::span<const Command> commands, std::string_view version);

}  // namespace lorry::cli
