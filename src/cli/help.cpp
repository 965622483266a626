#include "cli/help.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace lorry::cli {

namespace {

constexpr std::size_t kHelpColumn = 34;
constexpr std::size_t kWidth = 100;  // columns

/// `text` in lines of at most kWidth, all but the first indented to kHelpColumn.
std::string wrapped(std::string_view text) {
  std::string result;
  std::size_t column = kHelpColumn;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (column > kHelpColumn && column + 1 + end > kWidth) {
      result += "\n" + std::string(kHelpColumn, ' ');
      column = kHelpColumn;
    } else if (column > kHelpColumn) {
      result += ' ';
      ++column;
    }
    result += text.substr(0, end);
    column += end;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

std::string option_help(const Option& option) {
  // What may be left out stands in brackets.
  std::string left =
      fmt::format("  {}--{}{}", option.positional ? "[" : "", option.name, option.positional ? "]" : "");
  if (!option.placeholder.empty()) left += " " + option.placeholder;
  if (option.repeated) left += " ...";
  std::string right = option.help;
  if (option.required) right += " (required)";
  if (!option.default_text.empty()) right += fmt::format(" [{}]", option.default_text);
  if (left.size() + 2 > kHelpColumn)
    return left + "\n" + std::string(kHelpColumn, ' ') + wrapped(right) + "\n";
  left.resize(kHelpColumn, ' ');
  return left + wrapped(right) + "\n";
}

/// "PATH", "ADAPTER [...]", "ADAPTER_1 ADAPTER_2 [...]".
std::string positional_usage(const Option& option) {
  std::string text;
  for (Index i = 1; i <= option.least; ++i) {
    text += " " + option.placeholder;
    if (option.least > 1) text += fmt::format("_{}", i);
  }
  return text + (option.repeated ? " [...]" : "");
}

std::string command_list(std::span<const Command> commands) {
  std::size_t width = 0;
  for (const Command& command : commands) width = std::max(width, command.name.size());
  std::string list = "\nCommands:\n";
  for (const Command& command : commands) {
    list += fmt::format("  {:<{}}  {}\n", command.name, width, command.purpose);
  }
  return list;
}

}  // namespace

std::string command_usage(const Command& command, const std::string& name) {
  if (!command.commands.empty()) return fmt::format("lorry {} COMMAND [options]", name);
  std::string line = "lorry " + name;
  for (const Option& option : command.options.options()) {
    if (option.positional) {
      line += positional_usage(option);
    } else if (option.required) {
      line += fmt::format(" --{} {}", option.name, option.placeholder);
    }
  }
  return line + " [options]";
}

std::string command_help(const Command& command, const std::string& name) {
  std::string page = fmt::format("{}\n\nUsage: {}\n", command.purpose, command_usage(command, name));
  if (!command.commands.empty()) {
    page += command_list(command.commands);
    page += fmt::format("\nlorry {} COMMAND --help lists a command's options.\n", name);
    return page + "\n" + command.notes;
  }
  std::string_view group;
  for (const Option& option : command.options.options()) {
    if (option.group != group) page += fmt::format("\n{}:\n", option.group);
    group = option.group;
    page += option_help(option);
  }
  if (command.has_yaml) {
    page +=
        "\nWith --config FILE, options come from a YAML file with lines such as `batch_size: 4`: the names "
        "above,\n"
        "with dashes or underscores. Flags override it. Paths in it count from the current directory.\n";
  }
  return page + "\n" + command.notes;
}

std::string program_help(std::span<const Command> commands) {
  std::string page =
      "Lorry fine-tunes language models by LoRA on the CPU.\n\nUsage: lorry COMMAND [options]\n";
  page += command_list(commands);
  return page +
         "\nlorry COMMAND --help lists a command's options; lorry --version names the version and the CPU "
         "path.\n"
         "\nExample: fine-tune a Hugging Face folder, then ask it something:\n"
         "  lorry train --model MODEL --data data.jsonl --out my-adapter\n"
         "  lorry generate --model MODEL --adapter my-adapter --prompt \"Hello\"\n";
}

}  // namespace lorry::cli
