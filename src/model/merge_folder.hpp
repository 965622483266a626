// model/merge_folder.hpp: the safetensors files of a merged Hugging Face folder, for merge.cpp alone.
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

/// Throws Error where a number of what is to be written is not finite.
void check_merged(bool finite, const std::filesystem::path& file, const std::string& name,
                  std::string_view type);

}  // namespace lorry::model
