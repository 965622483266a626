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
  std::string left = "  --" + option.name;
  if (!option.placeholder.empty()) left += " " + option.placeholder;
  std::string right = option.help;
  if (option.required) right += " (required)";
  if (!option.default_text.empty()) right += fmt::format(" [{}]", option.default_text);
  if (left.size() + 2 > kHelpColumn)
    return left + "\n" + std::string(kHelpColumn, ' ') + wrapped(right) + "\n";
  left.resize(kHelpColumn, ' ');
  return left + wrapped(right) + "\n";
}

std::string usage(const Command& command) {
  std::string line = "lorry " + command.name;
  for (const Option& option : command.options.options()) {
    if (option.positional) {
      line += " " + option.placeholder;
    } else if (option.required) {
      line += fmt::format(" --{} {}", option.name, option.placeholder);
    }
  }
  return line + " [options]";
}

}  // namespace

std::string command_help(const Command& command) {
  std::string page = fmt::format("{}\n\nUsage: {}\n", command.purpose, usage(command));
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
      "Lorry fine-tunes language models by LoRA on the CPU.\n\nUsage: lorry COMMAND [options]\n\nCommands:\n";
  for (const Command& command : commands) page += fmt::format("  {:<10}{}\n", command.name, command.purpose);
  return page +
         "\nlorry COMMAND --help lists a command's options; lorry --version names the version and the CPU "
         "path.\n"
         "\nExample: fine-tune a Hugging Face folder, then ask it something:\n"
         "  lorry train --model MODEL --data data.jsonl --out my-adapter\n"
         "  lorry generate --model MODEL --adapter my-adapter --prompt \"Hello\"\n";
}

}  // namespace lorry::cli
