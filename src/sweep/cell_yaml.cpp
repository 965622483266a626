#include "sweep/cell_yaml.hpp"

#include <fmt/format.h>

#include "report/escape.hpp"
#include "train/settings.hpp"

namespace lorry::sweep {

namespace {

/// How data are read.
template <class Line>
void add_reading(const data::DataOptions& reading, const Line& line) {
  if (!reading.chat_template.empty()) line("chat_template", reading.chat_template);
  line("train_on_prompt", reading.train_on_prompt);
  for (const data::RecordKeyName& key : data::kRecordKeyNames) {
    line(fmt::format("{}_key", key.name), reading.keys.*key.key);
  }
  line("data_memory", reading.memory);
}

}  // namespace

std::string train_yaml(const train::TrainOptions& options) {
  std::string yaml = "# Repeats this cell: lorry train --config train.yaml --out NEW\n";
  const auto line = [&](std::string_view key, const io::OrderedJson& value) {
    // JSON's scalars are YAML's.
    yaml +=
        fmt::format("{}: {}\n", key, value.dump(-1, ' ', false, io::OrderedJson::error_handler_t::replace));
  };
  line("model", report::printable(options.model.string()));
  line("data", report::printable(options.data.text()));
  if (!options.eval_data.empty()) line("eval_data", report::printable(options.eval_data.text()));
  add_reading(options.reading, line);
  const io::OrderedJson settings = train::settings_of(options);
  for (const auto& [key, value] : settings.items()) line(key, value);
  if (options.grad_checkpoint) line("grad_checkpoint", true);
  return yaml;
}

}  // namespace lorry::sweep
