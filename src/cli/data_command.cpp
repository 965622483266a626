// `lorry data`: what training would see of some data: tokens, what is learnt, lengths.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "cli/command.hpp"
#include "cli/data_options.hpp"
#include "cli/data_survey.hpp"
#include "cli/output.hpp"
#include "cli/shared_options.hpp"
#include "cli/token_text.hpp"
#include "core/error.hpp"
#include "model/model_text.hpp"

namespace lorry::cli {

namespace {

constexpr const char* kDataNotes =
    R"(Records are read as by lorry train with the same options. Of the model only the tokenizer and config.json are read.
The first records are shown as tokens with | between them: what is learnt is green, or between « and » where standard
output is no terminal. A record that is longer than --max-seq-length is cut into windows of that length, and one without a
token to learn is dropped; where all would be, training refuses to start, and so does this.

Examples:
  lorry data --model llama-3.2-1b --data train.jsonl
  lorry data --model llama-3.2-1b --data chats.jsonl --chat-template chatml --records 10
  lorry data --model llama-3.2-1b --data data/ --split valid --json
)";

struct DataFlags {
  std::filesystem::path model;
  std::filesystem::path adapter;
  data::DataFiles data;
  data::Split split = data::Split::kTrain;
  data::DataOptions reading;
  Index max_seq_length = 2048;
  Index records = 3;
  bool json = false;
};

bool wants_colour() {
  const char* no_color = std::getenv("NO_COLOR");  // https://no-color.org
  return isatty(STDOUT_FILENO) == 1 && (no_color == nullptr || *no_color == '\0');
}

std::string record_text(const model::ModelText& model, const data::SeenRecord& record) {
  const TokenMarks marks = wants_colour() ? TokenMarks::kColour : TokenMarks::kPlain;
  return fmt::format("{}:{}: {} tokens, {} learnt\n{}\n", record.file.string(), record.line,
                     record.document.size(), record.document.target_count(),
                     show_tokens(*model.tokenizer, record.document, marks));
}

io::OrderedJson record_json(const model::ModelText& model, const data::SeenRecord& record) {
  io::OrderedJson learnt = io::OrderedJson::array();
  for (Index t = 0; t < record.document.size(); ++t) learnt.push_back(record.document.learns(t));
  return {{"file", record.file.string()},
          {"line", record.line},
          {"ids", record.document.ids},
          {"tokens", token_texts(*model.tokenizer, record.document)},
          {"learnt", std::move(learnt)}};
}

void run(DataFlags& flags) {
  use_base_model(flags.model, flags.adapter);
  const model::ModelText model = model::open_text(flags.model, flags.adapter);
  const Index max_seq_length = std::min(flags.max_seq_length, model.positions.value_or(flags.max_seq_length));
  flags.reading.memory = 0;  // nothing is used after it has been looked at
  DataSurvey survey(max_seq_length);
  io::OrderedJson shown = io::OrderedJson::array();
  Index seen = 0;
  const data::Dataset data = data::load_dataset(data::find_data_files(flags.data, flags.split),
                                                model::make_encoder(model, flags.reading), max_seq_length,
                                                flags.reading, [&](const data::SeenRecord& record) {
                                                  survey.add(record);
                                                  if (seen++ >= flags.records) return;
                                                  if (flags.json) {
                                                    shown.push_back(record_json(model, record));
                                                  } else {
                                                    print_out(record_text(model, record));
                                                  }
                                                });
  note_unused_keys(flags.reading.keys, data);
  if (data.hidden_tools > 0) {
    print_note(
        fmt::format("note: {} records list tools, which the chat template does not show", data.hidden_tools));
  }
  if (flags.json) {
    io::OrderedJson json = {{"data", flags.data.text()}, {"format", data.format}};
    json.update(survey.to_json(data.statistics));
    json["shown"] = std::move(shown);
    print_json(json);
    return;
  }
  print_out(fmt::format("{:<10}{}: {} records of {}\n", "data", flags.data.text(), data.statistics.records,
                        data.format) +
            survey.to_text(data.statistics));
}

}  // namespace

Command make_data_command() {
  const auto flags = std::make_shared<DataFlags>();
  Command command{.name = "data",
                  .purpose = "Shows data as training sees them: tokens, mask, lengths.",
                  .notes = kDataNotes};
  OptionTable& table = command.options;
  add_model_options(table, flags->model, flags->adapter, "whose chat template counts, where it has one");
  table.group("Data");
  Option& data =
      table.add("data", "PATH", bind_data(flags->data), ".jsonl, .txt, or a folder with train.jsonl");
  data.required = true;
  data.repeated = data.many = true;
  table.add("split", "NAME", bind_split(flags->split), "of a folder: train.jsonl, valid.jsonl or test.jsonl");
  table.add("max-seq-length", "TOKENS", bind_integer(flags->max_seq_length, 2),
            "longer records would be cut; never above the model's positions");
  table.add("records", "N", bind_integer(flags->records, 0), "the first N records are shown as tokens");
  add_reading_options(table, flags->reading);
  add_json_option(table, flags->json, "all of it as one JSON object");
  command.run = [flags](OptionTable& options) {
    check_split(options, flags->data);
    run(*flags);
  };
  return command;
}

}  // namespace lorry::cli
