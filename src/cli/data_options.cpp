#include "cli/data_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "cli/output.hpp"
#include "core/option_error.hpp"
#include "text/chat_template.hpp"

namespace lorry::cli {

Binding bind_data(data::DataFiles& to) {
  return {.read = [&to](const std::string& text) { return data::parse_data_files(text, to); },
          .show = [&to] { return to.text(); },
          .expected = "paths, each with an optional weight above 0 and at most 1000 (a.jsonl:2)"};
}

Binding bind_split(data::Split& to) {
  using data::Split;
  return bind_choice<Split>(to, {{name_of(Split::kTrain), Split::kTrain},
                                 {name_of(Split::kEvaluation), Split::kEvaluation},
                                 {name_of(Split::kTest), Split::kTest}});
}

void check_split(const OptionTable& table, const data::DataFiles& files) {
  const bool any_folder = std::any_of(files.list.begin(), files.list.end(), [](const data::DataFile& file) {
    std::error_code ignored;
    return std::filesystem::is_directory(file.path, ignored);
  });
  if (any_folder || table.source("split") == Source::kDefault) return;
  throw OptionError("[data] --split: has no effect on {}; expected a folder", files.text());
}

void note_unused_keys(const data::RecordKeys& keys, const data::Dataset& data) {
  for (const std::string& note : data::notes_on_keys(keys, data.kinds)) print_note("note: " + note);
}

void add_reading_options(OptionTable& table, data::DataOptions& options) {
  constexpr Index kMostMebibytes = Index{1} << 24;  // 16 TiB
  table.group("Records");
  table
      .add("chat-template", "NAME", bind_text(options.chat_template),
           "how conversations are written: " + text::chat_template_names())
      .default_text = "the model's own; alpaca for alpaca records where it has none";
  table.add("train-on-prompt", "", bind_switch(options.train_on_prompt),
            "every token is learnt, not the completions or the assistant's turns alone");
  for (const data::RecordKeyName& key : data::kRecordKeyNames) {
    table.add(fmt::format("{}-key", key.name), "KEY", bind_text(options.keys.*key.key),
              fmt::format("key of {}", key.of));
  }
  table.add("data-memory", "MIB", bind_integer(options.memory, 0, kMostMebibytes),
            "tokens kept in memory; of larger data the records are read again as they are needed");
}

}  // namespace lorry::cli
