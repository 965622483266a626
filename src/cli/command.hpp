// cli/command.hpp: what every command consists of.
#pragma once
#include <functional>
#include <string>

#include "cli/option_table.hpp"

namespace lorry::cli {

struct Command {
  std::string name;
  std::string purpose;       // one line
  std::string notes = {};    // help's last part: examples, one per line, and what else must be said
  OptionTable options = {};  // bound to variables that `run` holds
  bool has_yaml = true;      // takes `--config FILE.yaml`
  /// Throws Error. Gets its own table, filled.
  std::function<void(OptionTable&)> run = {};
};

Command make_init_command();
Command make_train_command();
Command make_eval_command();
Command make_generate_command();
Command make_merge_command();
Command make_inspect_command();

}  // namespace lorry::cli
