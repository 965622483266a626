// `lorry completion`: a script for bash or zsh on standard output.
#include <memory>

#include "cli/command.hpp"
#include "cli/commands.hpp"
#include "cli/completion.hpp"
#include "cli/output.hpp"

namespace lorry::cli {

namespace {

enum class Shell { kBash, kZsh };

constexpr const char* kCompletionNotes =
    R"(Packages and cmake --install bring both scripts along. By hand:
  source <(lorry completion bash)                        in this shell, or in ~/.bashrc
  lorry completion zsh > "${fpath[1]}/_lorry"            and start a new zsh
)";

}  // namespace

Command make_completion_command() {
  const auto shell = std::make_shared<Shell>(Shell::kBash);
  Command command{.name = "completion",
                  .purpose = "Prints a script that completes commands, flags and values in a shell.",
                  .notes = kCompletionNotes,
                  .has_yaml = false};
  command.options.group("Shell");
  Option& option = command.options.add(
      "shell", "SHELL", bind_choice<Shell>(*shell, {{"bash", Shell::kBash}, {"zsh", Shell::kZsh}}),
      "bash or zsh");
  option.default_text = "";
  option.positional = option.required = true;
  command.run = [shell](const OptionTable& /*options*/) {
    const std::vector<Command> commands = make_commands();
    print_out(*shell == Shell::kBash ? bash_completion(commands) : zsh_completion(commands));
  };
  return command;
}

}  // namespace lorry::cli
