// cli/command.hpp: what every command consists of. A command either does something or holds commands.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "cli/option_table.hpp"

namespace lorry::cli {

struct Command {
  std::string name;
  std::string purpose;       // one line
  std::string notes = {};    // help's last part: examples, one per line, and what else must be said
  OptionTable options = {};  // bound to variables that `run` holds
  bool has_yaml = true;      // takes `--config FILE.yaml`
  /// Throws Error. Gets its own table, filled. Empty where there are `commands`.
  std::function<void(OptionTable&)> run = {};
  std::vector<Command> commands = {};  // `lorry NAME COMMAND ...`; such a command has no options of its own
};

// One for each file; the program's list of them is cli/commands.hpp.
Command make_init_command();
Command make_train_command();
Command make_sweep_command();
Command make_eval_command();
Command make_chat_command();
Command make_data_command();
Command make_generate_command();
Command make_score_command();
Command make_merge_command();
Command make_quantize_command();
Command make_export_command();
Command make_inspect_command();
Command make_analyze_command();
Command make_completion_command();
Command make_man_command();
Command make_estimate_command();

}  // namespace lorry::cli
