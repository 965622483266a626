#include "cli/completion.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <map>

#include "cli/shell_word.hpp"

namespace lorry::cli {

namespace {

/// What may stand where a value is expected.
enum class ValueKind { kNone, kWords, kFolders, kFiles, kOther };

ValueKind value_kind(const Option& option) {
  if (option.binding.is_switch) return ValueKind::kNone;
  if (!option.binding.words.empty()) return ValueKind::kWords;
  if (option.placeholder == "DIR") return ValueKind::kFolders;
  // "PATH", "FILE", "ADAPTER": whatever is read as a path.
  const bool is_path = option.binding.expected.find("path") != std::string::npos;
  return is_path ? ValueKind::kFiles : ValueKind::kOther;
}

/// Calls `visit` with every command that has options and the words that call it: "train", "analyze spectrum".
void for_each_leaf(std::span<const Command> commands, const std::string& prefix,
                   const std::function<void(const std::string& name, const Command&)>& visit) {
  for (const Command& command : commands) {
    const std::string name = prefix + command.name;
    if (command.commands.empty()) {
      visit(name, command);
    } else {
      for_each_leaf(command.commands, name + " ", visit);
    }
  }
}

std::string words_of(const Option& option) {
  return fmt::format("{}", fmt::join(option.binding.words, " "));
}

std::string command_words(std::span<const Command> commands) {
  std::string names;
  for (const Command& command : commands) names += (names.empty() ? "" : " ") + command.name;
  return names;
}

std::string flags_of(const Command& command) {
  std::string flags;
  for (const Option& option : command.options.options()) flags += fmt::format("--{} ", option.name);
  if (command.has_yaml) flags += "--config ";
  return flags + "--help";
}

// What follows the tables. `current` is the word at hand, `flags` and `first` what may stand there, and what
// does where it begins with no dash.
constexpr const char* kBashEnd = R"(
  if [[ $current == -* ]]; then
    _lorry_words "$flags"
  elif [[ $first == files ]]; then
    _lorry_files -f
  else
    _lorry_words "$first"
  fi
}

complete -F _lorry lorry
)";

constexpr const char* kBashBegin = R"(# bash completion for lorry; made by: lorry completion bash
# shellcheck shell=bash

_lorry_words() {
  mapfile -t COMPREPLY < <(compgen -W "$1" -- "$current")
}

_lorry_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen "$1" -- "$current")
}

_lorry() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' flags='' first='' i
  COMPREPLY=()
  # The shell has taken "--flag=value" apart.
  if [[ $current == = ]]; then
    current=''
  elif [[ $previous == = ]]; then
    previous=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
)";

/// A `case` branch of values for the flags of every command.
std::string bash_values(std::span<const Command> commands) {
  std::map<std::string, std::vector<std::string>> places;  // by what is done there
  for_each_leaf(commands, "", [&](const std::string& name, const Command& command) {
    const auto add = [&](const std::string& option, const std::string& action) {
      places[action].push_back(fmt::format("'{} --{}'", name, option));
    };
    for (const Option& option : command.options.options()) {
      switch (value_kind(option)) {
        case ValueKind::kNone:
          break;
        case ValueKind::kWords:
          add(option.name, fmt::format("_lorry_words '{}'", words_of(option)));
          break;
        case ValueKind::kFolders:
          add(option.name, "_lorry_files -d");
          break;
        case ValueKind::kFiles:
          add(option.name, "_lorry_files -f");
          break;
        case ValueKind::kOther:
          add(option.name, ":");
          break;
      }
    }
    if (command.has_yaml) add("config", "_lorry_files -f");
  });
  std::string text = "  case \"$command $previous\" in\n";
  for (const auto& [action, names] : places) {
    text += fmt::format("    {})\n      {}\n      return\n      ;;\n", fmt::join(names, " | "), action);
  }
  return text + "  esac\n";
}

/// What stands in a command's place without a flag: words, "files" or nothing.
std::string bash_first(const Command& command) {
  for (const Option& option : command.options.options()) {
    if (!option.positional && !option.many) continue;
    return option.binding.words.empty() ? "files" : words_of(option);
  }
  return flags_of(command);
}

std::string bash_tables(std::span<const Command> commands) {
  std::string text = "  case \"$command\" in\n";
  const auto add = [&](const std::string& name, const std::string& flags, const std::string& first) {
    text += fmt::format("    '{}')\n      flags='{}'\n      first='{}'\n      ;;\n", name, flags, first);
  };
  add("", "--help --version", command_words(commands));
  for (const Command& command : commands) {
    if (!command.commands.empty()) add(command.name, "--help", command_words(command.commands));
  }
  for_each_leaf(commands, "", [&](const std::string& name, const Command& command) {
    add(name, flags_of(command), bash_first(command));
  });
  return text + "  esac\n";
}

/// Which words are commands: those behind one that holds commands, too.
std::string bash_commands(std::span<const Command> commands) {
  std::string text = "    case \"$command ${COMP_WORDS[i]}\" in\n";
  for (const Command& command : commands) {
    text += fmt::format("      ' {0}') command='{0}' ;;\n", command.name);
    for (const Command& inner : command.commands) {
      text += fmt::format("      '{0} {1}') command='{0} {1}' ;;\n", command.name, inner.name);
    }
  }
  return text + "    esac\n  done\n";
}

/// Help within the brackets, or a message between the colons, of a zsh argument.
std::string zsh_text(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') result += '\\';
    result += c;
  }
  return within_quotes(result);
}

std::string zsh_value(const Option& option) {
  const std::string message = zsh_text(option.placeholder.empty() ? "value" : option.placeholder);
  switch (value_kind(option)) {
    case ValueKind::kNone:
      return "";
    case ValueKind::kWords:
      return fmt::format(":{}:({})", message, words_of(option));
    case ValueKind::kFolders:
      return fmt::format(":{}:_files -/", message);
    case ValueKind::kFiles:
      return fmt::format(":{}:_files", message);
    case ValueKind::kOther:
      return fmt::format(":{}: ", message);
  }
  return "";
}

/// The arguments of one command, for _arguments.
std::string zsh_arguments(const Command& command, const std::string& indent) {
  std::string text = fmt::format("_arguments \\\n{}'(- *)--help[shows the options]'", indent);
  const auto add = [&](const std::string& argument) { text += fmt::format(" \\\n{}'{}'", indent, argument); };
  for (const Option& option : command.options.options()) {
    add(fmt::format("{}--{}{}[{}]{}", option.repeated ? "*" : "", option.name,
                    option.binding.is_switch ? "" : "=", zsh_text(option.help), zsh_value(option)));
    if (option.positional) add(fmt::format("{}{}", option.repeated ? "*" : "1", zsh_value(option)));
  }
  if (command.has_yaml) add("--config=[options from a YAML file]:FILE:_files");
  return text + "\n";
}

/// A function that completes one of `commands` and then its arguments.
std::string zsh_function(const std::string& function, std::span<const Command> commands,
                         const std::string& flags) {
  std::string text = fmt::format(
      "{}() {{\n  local curcontext=\"$curcontext\" state line\n  local -a commands\n"
      "  _arguments -C {}'1:command:->command' '*::argument:->argument'\n  case $state in\n"
      "  command)\n    commands=(\n",
      function, flags);
  for (const Command& command : commands) {
    text += fmt::format("      '{}:{}'\n", command.name, zsh_text(command.purpose));
  }
  text += "    )\n    _describe -t commands command commands\n    ;;\n  argument)\n    case $words[1] in\n";
  for (const Command& command : commands) {
    const std::string body = command.commands.empty() ? zsh_arguments(command, "        ")
                                                      : fmt::format("{}_{}\n", function, command.name);
    text += fmt::format("    {})\n      {}      ;;\n", command.name, body);
  }
  return text + "    esac\n    ;;\n  esac\n}\n\n";
}

}  // namespace

std::string bash_completion(std::span<const Command> commands) {
  return kBashBegin + bash_commands(commands) + bash_values(commands) + bash_tables(commands) +
         std::string(kBashEnd).substr(1);
}

std::string zsh_completion(std::span<const Command> commands) {
  std::string text = "#compdef lorry\n# zsh completion for lorry; made by: lorry completion zsh\n\n";
  for (const Command& command : commands) {
    if (!command.commands.empty()) {
      text += zsh_function(fmt::format("_lorry_{}", command.name), command.commands,
                           "'(- *)--help[lists the commands]' ");
    }
  }
  text += zsh_function("_lorry", commands,
                       "'(- *)--help[lists the commands]' '(- *)--version[the version and the CPU path]' ");
  return text +
         "# Autoloaded from $fpath, or sourced.\n"
         "if [[ ${funcstack[1]} == _lorry ]]; then\n  _lorry \"$@\"\nelse\n  compdef _lorry lorry\nfi\n";
}

}  // namespace lorry::cli
