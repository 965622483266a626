#include "cli/arguments.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <map>

#include "cli/aliases.hpp"
#include "cli/config_file.hpp"
#include "cli/help.hpp"
#include "cli/suggestion.hpp"
#include "core/option_error.hpp"

namespace lorry::cli {

namespace {

/// One command as the parser sees it: the flags' text, taken over into the table only when all of it is
/// known.
struct Parsed {
  CLI::App* app = nullptr;
  std::vector<CLI::Option*> options;  // in the order of the table
  std::vector<std::pair<const Alias*, CLI::Option*>> aliases;
  CLI::Option* config = nullptr;
  CLI::Option* help = nullptr;
  std::vector<Parsed> commands;  // in the order of the command's
};

CLI::Option* declare_option(CLI::App& app, const Option& option, const Alias* alias = nullptr) {
  std::string names = fmt::format("--{}", alias != nullptr ? alias->name : std::string_view(option.name));
  if (option.positional && alias == nullptr) names += "," + option.name;
  if (alias != nullptr ? alias->is_switch : option.binding.is_switch) return app.add_flag(names);
  CLI::Option* declared = app.add_option(names);
  if (!option.repeated) return declared->expected(1);
  // A flag takes one value at a time: where it may take several, the parser reads "[a,b]" as a list.
  if (!option.positional && !option.many) return declared->expected(1)->take_all();
  return declared->expected(1, CLI::detail::expected_max_vector_size)->allow_extra_args();
}

Parsed declare(CLI::App& parent, const Command& command) {
  Parsed parsed;
  parsed.app = parent.add_subcommand(command.name);
  parsed.app->set_help_flag();
  parsed.app->allow_extras();
  parsed.help = parsed.app->add_flag("-h,--help");
  if (!command.commands.empty()) {
    parsed.app->require_subcommand(0, 1);
    for (const Command& child : command.commands) parsed.commands.push_back(declare(*parsed.app, child));
    return parsed;
  }
  for (const Option& option : command.options.options()) {
    parsed.options.push_back(declare_option(*parsed.app, option));
  }
  for (const Alias* alias : aliases_of(command.options)) {
    if (!alias->is_flag()) continue;
    parsed.aliases.emplace_back(alias,
                                declare_option(*parsed.app, *command.options.find(alias->option), alias));
  }
  if (command.has_yaml) parsed.config = parsed.app->add_option("--config")->expected(1);
  return parsed;
}

/// Says which option an unknown flag may have meant.
[[noreturn]] void throw_unknown(const Parsed& parsed, const Command& command) {
  for (const std::string& argument : parsed.app->remaining()) {
    if (!argument.starts_with("-")) throw OptionError("unexpected argument \"{}\"", argument);
    std::string name = argument.substr(0, argument.find('='));
    name.erase(0, name.find_first_not_of('-'));
    throw OptionError("unknown flag {}{}", argument, suggest_option(name, command.options));
  }
  throw OptionError("unexpected arguments");
}

std::vector<std::string_view> names_of(std::span<const Command> commands) {
  std::vector<std::string_view> names;
  for (const Command& command : commands) names.push_back(command.name);
  return names;
}

/// `holder` is the command that holds `commands`; empty for the program.
[[noreturn]] void throw_unknown_command(const std::string& argument, const std::string& holder,
                                        std::span<const Command> commands) {
  const std::vector<std::string_view> names = names_of(commands);
  if (argument.starts_with("-")) throw OptionError("unknown flag {}; expected a command first", argument);
  const std::string suggestion = suggest_name(argument, names);
  if (holder.empty()) throw OptionError("unknown command \"{}\"{}", argument, suggestion);
  if (suggestion.ends_with('?')) {
    throw OptionError("unknown command \"{}\" of lorry {}{} (it has {})", argument, holder, suggestion,
                      fmt::join(names, ", "));
  }
  // Easily forgotten: lorry analyze my-adapter.
  throw OptionError("unknown command \"{}\" of lorry {}{}, in its place or before it", argument, holder,
                    suggestion);
}

/// `what` is the parser's: the flag, a colon, and how many values it wanted and received.
[[noreturn]] void throw_mismatch(std::string_view what) {
  const bool several = what.find("received") != std::string_view::npos;
  throw OptionError("{}: {}", what.substr(0, what.find(':')),
                    several ? "found more than once; expected once" : "no value; expected one");
}

/// Flags of other trainers' names. One that comes beside another name of the same option is a mistake.
void take_over_aliases(const Parsed& parsed, OptionTable& table) {
  std::map<std::string_view, std::string> given;  // by option: the flag
  for (const auto& [alias, flag] : parsed.aliases) {
    if (flag->count() == 0) continue;
    const std::string where = fmt::format("--{}", alias->name);
    Option* option = table.find(alias->option);
    const auto [before, first] = given.emplace(alias->option, where);
    if (!first || option->source == Source::kFlag) {
      throw OptionError("{}: found beside {}, which says the same; expected one of them", where,
                        first ? "--" + option->name : before->second);
    }
    for (const std::string& text : flag->results()) {
      table.set(*option, translate<OptionError>(*alias, text, where), Source::kFlag, where);
    }
  }
}

void take_over(const Parsed& parsed, OptionTable& table) {
  for (std::size_t i = 0; i < parsed.options.size(); ++i) {
    if (parsed.options[i]->count() == 0) continue;
    Option* option = table.find(table.options()[i].name);
    const std::string where =
        option->positional && option->repeated ? option->placeholder : "--" + option->name;
    const std::vector<std::string>& texts = parsed.options[i]->results();
    for (std::size_t k = option->repeated ? 0 : texts.size() - 1; k < texts.size(); ++k) {
      table.set(*option, texts[k], Source::kFlag, where);
    }
  }
  take_over_aliases(parsed, table);
  if (parsed.config != nullptr && parsed.config->count() > 0)
    read_config(parsed.config->results().back(), table);
}

/// `name` is the command's, with those that hold it: "analyze spectrum".
Request resolve(const Parsed& parsed, Command& command, const std::string& name) {
  if (parsed.help->count() > 0) return {.text = command_help(command, name)};
  for (std::size_t i = 0; i < parsed.commands.size(); ++i) {
    Command& child = command.commands[i];
    if (parsed.commands[i].app->parsed()) return resolve(parsed.commands[i], child, name + " " + child.name);
  }
  if (!parsed.commands.empty()) {
    if (parsed.app->remaining_size() == 0) return {.text = command_help(command, name)};
    throw_unknown_command(parsed.app->remaining().front(), name, command.commands);
  }
  if (parsed.app->remaining_size() > 0) throw_unknown(parsed, command);
  take_over(parsed, command.options);
  command.options.check_required();
  return {.command = &command};
}

}  // namespace

Request parse_arguments(int argc, const char* const* argv, std::span<Command> commands) {
  CLI::App program;
  program.set_help_flag();
  const CLI::Option* help = program.add_flag("-h,--help");
  const CLI::Option* version = program.add_flag("--version");
  std::vector<Parsed> parsed;
  for (const Command& command : commands) parsed.push_back(declare(program, command));
  program.require_subcommand(0, 1);
  try {
    program.parse(argc, argv);
  } catch (const CLI::ExtrasError&) {
    throw_unknown_command(program.remaining().front(), "", commands);
  } catch (const CLI::ArgumentMismatch& error) {
    throw_mismatch(error.what());
  } catch (const CLI::ParseError& error) {
    throw OptionError("{}", error.what());
  }
  if (version->count() > 0) return {.wants_version = true};
  for (std::size_t i = 0; i < commands.size(); ++i) {
    if (parsed[i].app->parsed()) return resolve(parsed[i], commands[i], commands[i].name);
  }
  if (help->count() == 0 && argc > 1) throw OptionError("no command");
  return {.text = program_help(commands)};
}

}  // namespace lorry::cli
