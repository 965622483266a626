#include "cli/commands.hpp"

#include <array>

namespace lorry::cli {

std::vector<Command> make_commands() {
  constexpr std::array kMakers = {
      make_init_command,    make_train_command,   make_estimate_command,   make_sweep_command,
      make_chat_command,    make_data_command,    make_eval_command,       make_generate_command,
      make_score_command,   make_merge_command,   make_quantize_command,   make_export_command,
      make_inspect_command, make_analyze_command, make_completion_command, make_man_command};
  std::vector<Command> commands;
  commands.reserve(kMakers.size());
  for (const auto make : kMakers) commands.push_back(make());
  return commands;
}

}  // namespace lorry::cli
