#include "train/run_inputs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/option_error.hpp"

namespace lorry::train {

namespace {

/// The held-out files; empty where there are none. Throws Error where some are asked for.
data::DataFiles held_out_files(const TrainOptions& options) {
  data::DataFiles held_out = options.eval_data;
  if (held_out.empty()) {
    for (const data::DataFile& file : options.data.list) {
      if (std::filesystem::exists(file.path / "valid.jsonl")) held_out.list.push_back(file);
    }
  }
  if (!held_out.empty()) return data::find_data_files(held_out, data::Split::kEvaluation);
  if (options.eval_steps > 0) {
    throw OptionError(
        "[train] --eval-steps: found {} without held-out data; expected --eval-data, or valid.jsonl in a "
        "--data "
        "folder",
        options.eval_steps);
  }
  return {};
}

void warn_of_tools(const data::Dataset& data, std::string_view name, std::vector<std::string>& warnings) {
  if (data.hidden_tools == 0) return;
  warnings.push_back(fmt::format("{}: {} records list tools, which the chat template does not show", name,
                                 data.hidden_tools));
}

/// A key that neither data nor held-out data have is one that was mistyped or forgotten.
void warn_of_keys(const TrainOptions& options, RunInputs& inputs) {
  std::set<data::RecordKind> kinds = inputs.data.kinds;
  if (inputs.eval_data) kinds.insert(inputs.eval_data->kinds.begin(), inputs.eval_data->kinds.end());
  for (std::string& note : data::notes_on_keys(options.reading.keys, kinds)) {
    inputs.warnings.push_back(std::move(note));
  }
}

}  // namespace

RunInputs open_inputs(const TrainOptions& options) {
  const model::VocabularyChange vocabulary = {.adapter = options.adapter, .added_tokens = options.add_tokens};
  RunInputs inputs{.model = model::open_base(options.model, vocabulary, options.dtype, options.threads)};
  inputs.max_seq_length = options.sequence_length(inputs.model.config.max_position_embeddings);
  if (options.max_seq_length && inputs.max_seq_length < *options.max_seq_length) {
    inputs.warnings.push_back(fmt::format("max_seq_length {} is above the model's positions; using {}",
                                          *options.max_seq_length, inputs.max_seq_length));
  }
  const data::Encoder encoder = model::make_encoder(inputs.model, options.reading);
  inputs.data = data::load_dataset(data::find_data_files(options.data, data::Split::kTrain), encoder,
                                   inputs.max_seq_length, options.reading);
  warn_of_tools(inputs.data, "data", inputs.warnings);
  const data::DataFiles held_out = held_out_files(options);
  if (!held_out.empty()) {
    inputs.eval_data = data::load_dataset(held_out, encoder, inputs.max_seq_length, options.reading);
  }
  warn_of_keys(options, inputs);
  return inputs;
}

data::BatcherOptions batcher_options(const RunInputs& inputs, const TrainOptions& options) {
  return {.batch_size = options.batch_size,
          .max_seq_length = inputs.max_seq_length,
          .share_prompts = options.share_prompts,
          .seed = options.seed,
          .shares = inputs.data.shares};
}

}  // namespace lorry::train
