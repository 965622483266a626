// `lorry inspect`: what a model, an adapter or a safetensors file holds.
#include "cli/command.hpp"
#include "core/error.hpp"

namespace lorry::cli {

Command make_inspect_command() {
  Command command{.name = "inspect", .purpose = "Shows what is in a model, an adapter or a file."};
  command.run = [](OptionTable&) { throw Error("[inspect] not there yet"); };
  return command;
}

}  // namespace lorry::cli
