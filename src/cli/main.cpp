// The program: reads the command line, runs one command, turns every failure into one line and an exit code:
// 2 for what is wrong with the options (OptionError), 128 + N for work that signal N
// asked to stop, 1 for every other error.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <new>
#include <vector>

#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/lost_pages.hpp"
#include "cli/output.hpp"
#include "cli/stop_signals.hpp"
#include "cli/version.hpp"
#include "core/freed_memory.hpp"
#include "core/idle_threads.hpp"
#include "core/option_error.hpp"
#include "ops/ops.hpp"

namespace {

/// Files and arguments put text into messages: no control byte of theirs reaches the terminal, and no flood.
std::string one_line(std::string text) {
  constexpr std::size_t kLongest = 2000;
  constexpr std::size_t kTail = 1500;  // what was expected stands at the end
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; },
      ' ');
  if (text.size() > kLongest) text.replace(kLongest - kTail, text.size() - kLongest, " ... ");
  return text;
}

int fail(int code, std::string text) {
  lorry::cli::print_note("error: " + one_line(std::move(text)));
  return code;
}

void run(int argc, char** argv) {
  std::vector<lorry::cli::Command> commands = lorry::cli::make_commands();
  const lorry::cli::Request request = lorry::cli::parse_arguments(argc, argv, commands);
  if (request.command != nullptr) {
    request.command->run(request.command->options);
  } else if (request.wants_version) {
    lorry::cli::print_out(
        fmt::format("lorry {} ({})\n", lorry::cli::version(), lorry::ops::make_cpu_ops()->description()));
  } else {
    lorry::cli::print_out(request.text);
  }
}

/// Which help says what the command that was meant can take.
std::string help_hint(int argc, char** argv) {
  const std::vector<lorry::cli::Command> commands = lorry::cli::make_commands();
  const std::vector<lorry::cli::Command>* known = &commands;
  std::string name = "lorry";
  for (int i = 1; i < argc; ++i) {
    const auto found = std::find_if(known->begin(), known->end(), [&](const lorry::cli::Command& command) {
      return command.name == argv[i];
    });
    if (found == known->end()) break;
    name += fmt::format(" {}", found->name);
    known = &found->commands;
  }
  return known == &commands ? " (lorry --help, lorry COMMAND --help)" : fmt::format(" ({} --help)", name);
}

/// A closed standard stream would lend its number to the next file, and messages would end up in a model.
void hold_standard_streams() {
  for (int number = STDIN_FILENO; number <= STDERR_FILENO; ++number) {
    // Read-only: writing to a closed standard output stays an error.
    if (::fcntl(number, F_GETFD) == -1) ::open("/dev/null", O_RDONLY);
  }
}

}  // namespace

int main(int argc, char** argv) {
  lorry::let_idle_threads_sleep(argv);
  lorry::return_large_blocks();
  hold_standard_streams();
  // A reader that leaves early must not kill a run that has hours behind it.
  std::signal(SIGPIPE, SIG_IGN);
  // A file beyond `ulimit -f` is then a write error like a full disk, with its line and its cleaning up.
  std::signal(SIGXFSZ, SIG_IGN);
  lorry::cli::report_lost_pages();
  try {
    run(argc, argv);
    return 0;
  } catch (const lorry::cli::OutputClosed&) {
    return 0;
  } catch (const lorry::cli::Interrupted& interrupted) {
    return 128 + interrupted.signal;
  } catch (const lorry::OptionError& error) {
    return fail(2, std::string(error.what()) + help_hint(argc, argv));
  } catch (const std::bad_alloc&) {
    return fail(
        1,
        "out of memory; try a smaller --batch-size or --max-seq-length, --grad-checkpoint, or --dtype bf16");
  } catch (const std::filesystem::filesystem_error& error) {
    return fail(1, fmt::format("{}: {}; expected a place that can be read", error.path1().string(),
                               error.code().message()));
  } catch (const std::exception& error) {
    return fail(1, error.what());
  }
}
