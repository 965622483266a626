#include "cli/analyze/options.hpp"

#include <fmt/format.h>

#include "cli/shared_options.hpp"
#include "cli/shell_word.hpp"

namespace lorry::cli {

Option& add_subject_option(OptionTable& table, SubjectFlags& flags, std::string help) {
  table.group("What");
  Option& option = table.add("adapter", "ADAPTER", bind_paths(flags.adapters), std::move(help));
  option.positional = option.required = option.repeated = true;
  return option;
}

Option& add_model_option(OptionTable& table, SubjectFlags& flags, std::string help) {
  return table.add("model", "DIR", bind_path(flags.model), std::move(help));
}

void add_modules_option(OptionTable& table, SubjectFlags& flags) {
  table
      .add("modules", "NAMES", bind_targets(flags.modules),
           "only these: names separated by commas (q_proj,v_proj), or a regular expression that matches "
           "whole names "
           "(.*layers\\.0\\..*)")
      .default_text = "all that were adapted";
}

void add_output_options(OptionTable& table, OutputFlags& flags) {
  table.group("Output");
  table.add("html", "FILE", bind_path(flags.html),
            "a report to look at: one page with charts and tables that needs no network");
  table.add("csv", "FILE", bind_path(flags.csv), "every number, one per row");
  table.add("svg", "DIR", bind_path(flags.svg), "the charts as files for papers; DIR must be new or empty");
  add_json_option(table, flags.json, "every number as one JSON object, instead of the tables");
}

std::string command_line(const std::string& name, const OptionTable& table) {
  std::string line = "lorry analyze " + name;
  for (const Option& option : table.options()) {
    if (option.source == Source::kDefault) continue;
    for (const std::string& text : option.texts) {
      if (!option.positional) line += " --" + option.name;
      if (!option.binding.is_switch) line += " " + shell_word(text);
    }
  }
  return line;
}

}  // namespace lorry::cli
