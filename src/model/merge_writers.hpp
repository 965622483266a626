// model/merge_writers.hpp: merged tensors on their way into files of either kind, for merge.cpp alone.
#pragma once
#include <filesystem>
#include <functional>

#include "model/merge.hpp"
#include "model/merge_targets.hpp"
#include "model/weights.hpp"

namespace lorry::model {

/// What goes into a merge, whatever it is written as. Borrows all.
struct MergeInputs {
  ops::Ops& ops;
  const ModelConfig& config;
  const Weights& weights;
  const MergeTargets& targets;
  const std::function<void(Index, Index)>& progress;
  const MergeOptions& options;
};

/// Writes the model's shards, and their index where it has one or its tensors change, into the folder `to`.
/// Throws Error.
MergeReport write_merged_shards(const MergeInputs& inputs, const std::filesystem::path& to);

/// Writes the GGUF file `to` with the keys, tensors and types of the GGUF model at `model`, all its parts in
/// one file. `chat_template`: in place of its own, unless empty. Throws Error.
MergeReport write_merged_gguf(const MergeInputs& inputs, const std::filesystem::path& model,
                              const std::string& chat_template, const std::filesystem::path& to);

/// Throws Error where a number of what is to be written is not finite.
void check_merged(bool finite, const std::filesystem::path& file, const std::string& name,
                  std::string_view type);

}  // namespace lorry::model
