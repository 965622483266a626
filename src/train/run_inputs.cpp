#include "train/run_inputs.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"

namespace lorry::train {

namespace {

/// The held-out file; empty where there is none. Throws Error where one is asked for.
std::filesystem::path held_out_file(const TrainOptions& options) {
  std::filesystem::path held_out = options.eval_data;
  if (held_out.empty() && std::filesystem::exists(options.data / "valid.jsonl")) held_out = options.data;
  if (!held_out.empty()) return data::find_data_file(held_out, data::Split::kEvaluation);
  if (options.eval_steps > 0) {
    throw Error(
        "[train] --eval-steps: found {} without held-out data; expected --eval-data, or valid.jsonl in a "
        "--data "
        "folder",
        options.eval_steps);
  }
  return {};
}

}  // namespace

RunInputs open_inputs(const TrainOptions& options) {
  RunInputs inputs{.model = model::open_model(options.model, {}, options.dtype, options.threads)};
  inputs.max_seq_length = options.sequence_length(inputs.model.config.max_position_embeddings);
  if (options.max_seq_length && inputs.max_seq_length < *options.max_seq_length) {
    inputs.warnings.push_back(fmt::format("max_seq_length {} is above the model's positions; using {}",
                                          *options.max_seq_length, inputs.max_seq_length));
  }
  const data::Encoder encoder = model::make_encoder(inputs.model);
  inputs.data = data::load_dataset(data::find_data_file(options.data, data::Split::kTrain), encoder,
                                   inputs.max_seq_length);
  const std::filesystem::path held_out = held_out_file(options);
  if (held_out.empty()) return inputs;
  inputs.eval_data = data::load_dataset(held_out, encoder, inputs.max_seq_length);
  return inputs;
}

}  // namespace lorry::train
