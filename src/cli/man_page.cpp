#include "cli/man_page.hpp"

#include <fmt/format.h>

#include "cli/help.hpp"
#include "text/utf8.hpp"

namespace lorry::cli {

namespace {

/// Text as roff takes it: ASCII, dashes as they are typed, no backslash or control line.
std::string escaped(std::string_view text) {
  constexpr char32_t kLastAscii = 0x7F;
  std::string result;
  text::for_each_code_point(text, [&](char32_t c, Index begin, Index /*end*/) {
    const bool first = begin == 0 || text[static_cast<std::size_t>(begin - 1)] == '\n';
    if (first && (c == '.' || c == '\'')) result += "\\&";
    if (c > kLastAscii) {
      result += fmt::format("\\[u{:04X}]", static_cast<std::uint32_t>(c));
    } else if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else if (c == '\'') {
      result += "\\(aq";
    } else {
      result += static_cast<char>(c);
    }
  });
  return result;
}

std::string heading(std::string_view title) {
  return fmt::format(".SH \"{}\"\n", title);
}

/// Lines as they are.
std::string verbatim(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  if (text.empty()) return "";
  return fmt::format(".PP\n.nf\n{}\n.fi\n", escaped(text));
}

std::string option_entry(const Option& option) {
  std::string text = fmt::format(".TP\n\\fB{}\\fR", escaped("--" + option.name));
  if (option.positional) text = fmt::format(".TP\n[\\fB{}\\fR]", escaped("--" + option.name));
  if (!option.placeholder.empty()) text += fmt::format(" \\fI{}\\fR", escaped(option.placeholder));
  if (option.repeated) text += " ...";
  text += "\n" + escaped(option.help);
  if (option.required) text += " (required)";
  if (!option.default_text.empty()) text += fmt::format(" [{}]", escaped(option.default_text));
  return text + "\n";
}

/// `name` is what calls it: "analyze spectrum".
std::string command_section(const Command& command, const std::string& name) {
  std::string text = fmt::format(".SS \"lorry {}\"\n{}\n.PP\n\\fB{}\\fR\n", name, escaped(command.purpose),
                                 escaped(command_usage(command, name)));
  std::string_view group;
  for (const Option& option : command.options.options()) {
    if (option.group != group) text += fmt::format(".PP\n{}:\n", escaped(option.group));
    group = option.group;
    text += option_entry(option);
  }
  if (command.has_yaml && command.commands.empty()) {
    text += ".TP\n\\fB\\-\\-config\\fR \\fIFILE\\fR\noptions from a YAML file; flags override it\n";
  }
  text += verbatim(command.notes);
  for (const Command& inner : command.commands) text += command_section(inner, name + " " + inner.name);
  return text;
}

}  // namespace

std::string man_page(std::span<const Command> commands, std::string_view version) {
  std::string text = fmt::format(
      ".\\\" Made by: lorry man\n.TH LORRY 1 \"\" \"lorry {}\" \"User Commands\"\n{}"
      "lorry \\- fine\\-tune language models by LoRA on the CPU\n{}"
      "\\fBlorry\\fR \\fICOMMAND\\fR [\\fIoptions\\fR]\n.br\n"
      "\\fBlorry\\fR [\\fICOMMAND\\fR] \\fB\\-\\-help\\fR\n.br\n\\fBlorry\\fR \\fB\\-\\-version\\fR\n{}"
      "Lorry trains low\\-rank adapters (LoRA) of Hugging Face models, or all their weights, on the CPU, and "
      "generates,\nmerges, compares and analyses what it trained. Adapters are those of the PEFT library.\n"
      ".PP\nOptions come from flags and, with \\fB\\-\\-config\\fR, from a YAML file that has the same "
      "names, with "
      "dashes or\nunderscores; flags win.\n",
      escaped(version), heading("NAME"), heading("SYNOPSIS"), heading("DESCRIPTION"));
  text += heading("COMMANDS");
  for (const Command& command : commands) text += command_section(command, command.name);
  text += heading("EXIT STATUS");
  text +=
      ".TP\n0\ndone\n.TP\n1\nan error, told in one line on standard error\n.TP\n2\na mistake in the command "
      "line\n.TP\n128 + N\nstopped by signal N; training has saved a checkpoint\n";
  return text;
}

}  // namespace lorry::cli
