// `lorry man`: the manual page on standard output.
#include "cli/command.hpp"
#include "cli/commands.hpp"
#include "cli/man_page.hpp"
#include "cli/output.hpp"
#include "cli/version.hpp"

namespace lorry::cli {

namespace {

constexpr const char* kManNotes =
    R"(Packages and cmake --install bring the page along: man lorry. By hand:
  lorry man | man -l -
)";

}  // namespace

Command make_man_command() {
  Command command{.name = "man",
                  .purpose = "Prints the manual page of all commands.",
                  .notes = kManNotes,
                  .has_yaml = false};
  command.run = [](const OptionTable& /*options*/) { print_out(man_page(make_commands(), version())); };
  return command;
}

}  // namespace lorry::cli
