#include "cli/arguments.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/config_file.hpp"
#include "cli/help.hpp"
#include "cli/suggestion.hpp"
#include "core/error.hpp"

namespace lorry::cli {

namespace {

/// One command as the parser sees it: the flags' text, taken over into the table only when all of it is
/// known.
struct Parsed {
  CLI::App* app = nullptr;
  std::vector<CLI::Option*> options;  // in the order of the table
  CLI::Option* config = nullptr;
  CLI::Option* help = nullptr;
};

Parsed declare(CLI::App& program, const Command& command) {
  Parsed parsed;
  parsed.app = program.add_subcommand(command.name);
  parsed.app->set_help_flag();
  parsed.help = parsed.app->add_flag("-h,--help");
  for (const Option& option : command.options.options()) {
    std::string names = "--" + option.name;
    if (option.positional) names += "," + option.name;
    parsed.options.push_back(option.binding.is_switch ? parsed.app->add_flag(names)
                                                      : parsed.app->add_option(names)->expected(1));
  }
  if (command.has_yaml) parsed.config = parsed.app->add_option("--config")->expected(1);
  return parsed;
}

/// Says which option an unknown flag may have meant.
[[noreturn]] void throw_unknown(const Parsed& parsed, const Command& command) {
  for (const std::string& argument : parsed.app->remaining()) {
    if (!argument.starts_with("-")) throw UsageError(fmt::format("unexpected argument \"{}\"", argument));
    std::string name = argument.substr(0, argument.find('='));
    name.erase(0, name.find_first_not_of('-'));
    throw UsageError(fmt::format("unknown flag {}{}", argument, suggest_option(name, command.options)));
  }
  throw UsageError("unexpected arguments");
}

void take_over(const Parsed& parsed, OptionTable& table) {
  for (std::size_t i = 0; i < parsed.options.size(); ++i) {
    if (parsed.options[i]->count() == 0) continue;
    Option* option = table.find(table.options()[i].name);
    table.set(*option, parsed.options[i]->results().back(), Source::kFlag, "--" + option->name);
  }
  if (parsed.config != nullptr && parsed.config->count() > 0)
    read_config(parsed.config->results().back(), table);
}

}  // namespace

Request parse_arguments(int argc, const char* const* argv, std::span<Command> commands) {
  CLI::App program;
  program.set_help_flag();
  const CLI::Option* help = program.add_flag("-h,--help");
  const CLI::Option* version = program.add_flag("--version");
  std::vector<Parsed> parsed;
  for (const Command& command : commands) {
    parsed.push_back(declare(program, command));
    parsed.back().app->allow_extras();
  }
  program.require_subcommand(0, 1);
  try {
    program.parse(argc, argv);
  } catch (const CLI::ExtrasError&) {
    std::string names;
    for (const Command& command : commands) names += (names.empty() ? "" : ", ") + command.name;
    throw UsageError(
        fmt::format("unknown command \"{}\"; expected one of {}", program.remaining().front(), names));
  } catch (const CLI::ParseError& error) {
    throw UsageError(error.what());
  }
  if (version->count() > 0) return {.wants_version = true};
  for (std::size_t i = 0; i < commands.size(); ++i) {
    if (!parsed[i].app->parsed()) continue;
    if (parsed[i].help->count() > 0) return {.text = command_help(commands[i])};
    if (parsed[i].app->remaining_size() > 0) throw_unknown(parsed[i], commands[i]);
    take_over(parsed[i], commands[i].options);
    commands[i].options.check_required();
    return {.command = &commands[i]};
  }
  if (help->count() == 0 && argc > 1) throw UsageError("no command");
  return {.text = program_help(commands)};
}

}  // namespace lorry::cli
