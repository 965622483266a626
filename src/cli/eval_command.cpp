// `lorry eval`: the loss of a model on data.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/command.hpp"
#include "cli/data_options.hpp"
#include "cli/output.hpp"
#include "cli/shared_options.hpp"
#include "cli/stream_report.hpp"
#include "core/error.hpp"
#include "core/progress.hpp"
#include "data/dataset.hpp"
#include "model/loaded_model.hpp"
#include "model/stream_floor.hpp"
#include "train/diverged.hpp"
#include "train/evaluate.hpp"
#include "train/options.hpp"

namespace lorry::cli {

namespace {

constexpr const char* kEvalNotes =
    R"(The loss is the mean of -log p over the tokens that training would learn (completions, or whole texts), in nats;
the perplexity is its exponential. Each record ends with the end-of-text token, which counts.

Examples:
  lorry eval --model llama-3.2-1b --data valid.jsonl
  lorry eval --model llama-3.2-1b --adapter my-adapter --data valid.jsonl --json
)";

struct EvalFlags {
  std::filesystem::path model;
  std::filesystem::path adapter;
  data::DataFiles data;
  data::DataOptions reading;
  data::Split split = data::Split::kEvaluation;
  std::optional<Index> max_seq_length;
  std::optional<DType> dtype;
  nn::Int8Products int8 = nn::Int8Products::kNone;
  std::optional<Index> memory_budget;
  Index threads = 0;
  bool json = false;
};

/// Adds of what the loss is.
[[noreturn]] void throw_diverged(const EvalFlags& flags, const train::Diverged& diverged) {
  const std::string adapter =
      flags.adapter.empty() ? std::string() : fmt::format(", adapter {}", flags.adapter.string());
  throw Error("{} (model {}{})", diverged.what(), flags.model.string(), adapter);
}

train::Evaluation measure(const EvalFlags& flags, model::LoadedModel& model, const data::Dataset& data,
                          Index max_seq_length) {
  model::Decoder::Workspace workspace;
  Progress progress("token", data.statistics.tokens);
  try {
    return train::evaluate(
        *model.decoder, data.view(), max_seq_length, workspace,
        [&](Index done, Index total) { progress.update(data.statistics.tokens * done / total); });
  } catch (const train::Diverged& diverged) {
    throw_diverged(flags, diverged);
  }
}

void run(EvalFlags& flags) {
  use_base_model(flags.model, flags.adapter);
  model::check_int8(flags.int8, flags.memory_budget);
  model::LoadedModel model = model::open_model(flags.model, flags.adapter, flags.dtype, flags.threads);
  model::use_int8(model, flags.int8, flags.threads);
  const Index positions = model.config.max_position_embeddings;
  const Index max_seq_length = std::min(flags.max_seq_length.value_or(train::kDefaultSequence), positions);
  if (flags.max_seq_length && *flags.max_seq_length > positions) {
    print_note(fmt::format("note: --max-seq-length {} is above the model's positions; using {}",
                           *flags.max_seq_length, positions));
  }
  const data::Dataset data =
      data::load_dataset(data::find_data_files(flags.data, flags.split),
                         model::make_encoder(model, flags.reading), max_seq_length, flags.reading);
  note_unused_keys(flags.reading.keys, data);
  if (flags.memory_budget) {
    model::keep_within(model, *flags.memory_budget,
                       train::evaluation_bytes(model.config, model.decoder->compute(), max_seq_length));
  }
  std::optional<model::StreamedWork> streamed;
  if (model.weights.stream()) {
    streamed =
        model::StreamedWork{.read = model.weights.stream()->totals(), .peaks = model::measure_peaks(model)};
  }
  const train::Evaluation result = measure(flags, model, data, max_seq_length);
  if (streamed) {
    streamed->read = model.weights.stream()->totals() - streamed->read;
    streamed->seconds = result.seconds;
    streamed->flops = model::forward_flops(model.config, result.rows, result.tokens);
  }
  if (!flags.json) {
    const std::string cut = data.statistics.cut == 0 ? std::string()
                                                     : fmt::format(" ({} cut into windows of {} tokens)",
                                                                   data.statistics.cut, max_seq_length);
    print_out(fmt::format("loss {:.4f} nats per token, perplexity {:.2f}; {} tokens of {} records{} in {}\n",
                          result.loss, result.perplexity, result.tokens, data.statistics.records, cut,
                          format_duration(result.seconds)));
    if (streamed) print_out(streaming_text(*streamed, streamed->read.passes, "pass"));
    return;
  }
  io::OrderedJson json = {{"loss", result.loss},
                          {"perplexity", result.perplexity},
                          {"tokens", result.tokens},
                          {"records", data.statistics.records},
                          {"cut", data.statistics.cut},
                          {"max_seq_length", max_seq_length},
                          {"seconds", result.seconds},
                          {"tokens_per_second", static_cast<double>(result.rows) / result.seconds},
                          {"peak_rss_bytes", peak_rss_bytes()},
                          {"dtype", dtype_word(model.decoder->compute())},
                          {"compute", nn::word_of(flags.int8)}};
  if (streamed) json["streaming"] = streaming_json(*streamed, streamed->read.passes);
  print_json(json);
}

}  // namespace

Command make_eval_command() {
  const auto flags = std::make_shared<EvalFlags>();
  Command command{
      .name = "eval", .purpose = "Measures loss and perplexity on held-out data.", .notes = kEvalNotes};
  OptionTable& table = command.options;
  add_model_options(table, flags->model, flags->adapter, "with this adapter");
  table.group("Data");
  Option& data =
      table.add("data", "PATH", bind_data(flags->data), ".jsonl, .txt, or a folder with valid.jsonl");
  data.required = true;
  data.repeated = data.many = true;
  table.add("split", "NAME", bind_split(flags->split), "of a folder: train.jsonl, valid.jsonl or test.jsonl");
  table
      .add("max-seq-length", "TOKENS", bind_integer(flags->max_seq_length, 2),
           "longer records are cut into windows; never above the model's positions")
      .default_text = kSequenceDefault;
  add_reading_options(table, flags->reading);
  add_compute_options(table, ComputeFlags{flags->dtype, flags->int8, flags->threads});
  add_memory_option(table, flags->memory_budget);
  add_json_option(table, flags->json, "the result as one JSON object");
  command.run = [flags](OptionTable& options) {
    check_split(options, flags->data);
    run(*flags);
  };
  return command;
}

}  // namespace lorry::cli
