// The program: reads the command line, runs one command, turns every failure into one line and an exit code:
// 1 for errors, 2 for a wrong command line.
#include <algorithm>
#include <array>
#include <csignal>
#include <new>

#include "cli/arguments.hpp"
#include "cli/output.hpp"
#include "core/error.hpp"
#include "ops/ops.hpp"

namespace {

using lorry::cli::Command;

int fail(int code, std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  lorry::cli::print_note("error: " + text);
  return code;
}

void run(int argc, char** argv) {
  std::array<Command, 6> commands = {lorry::cli::make_init_command(),  lorry::cli::make_train_command(),
                                     lorry::cli::make_eval_command(),  lorry::cli::make_generate_command(),
                                     lorry::cli::make_merge_command(), lorry::cli::make_inspect_command()};
  const lorry::cli::Request request = lorry::cli::parse_arguments(argc, argv, commands);
  if (request.command != nullptr) {
    request.command->run(request.command->options);
  } else if (request.wants_version) {
    lorry::cli::print_out(
        fmt::format("lorry {} ({})\n", LORRY_VERSION, lorry::ops::make_cpu_ops()->description()));
  } else {
    lorry::cli::print_out(request.text);
  }
}

}  // namespace

int main(int argc, char** argv) {
  // A reader that leaves early must not kill a run that has hours behind it.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    run(argc, argv);
    return 0;
  } catch (const lorry::cli::OutputClosed&) {
    return 0;
  } catch (const lorry::cli::UsageError& error) {
    return fail(2, std::string(error.what()) + " (lorry --help, lorry COMMAND --help)");
  } catch (const std::bad_alloc&) {
    return fail(
        1,
        "out of memory; try a smaller --batch-size or --max-seq-length, --grad-checkpoint, or --dtype bf16");
  } catch (const std::exception& error) {
    return fail(1, error.what());
  }
}
