// train/run_size.hpp: what trains in a run and how large it is, before anything is trained or made room for.
#pragma once
#include <string>
#include <vector>

#include "io/json_file.hpp"
#include "model/loaded_model.hpp"
#include "model/trained_copies.hpp"
#include "train/options.hpp"

namespace lorry::train {

/// Equal modules of a model, one per block, or one outside the blocks.
struct TrainedGroup {
  std::string name;      // "self_attn.q_proj"
  Index modules = 0;     // of that name
  Index parameters = 0;  // of all of them
};

struct EmbeddingRank {
  std::string module;  // "model.embed_tokens"
  Index rank = 0;
};

struct RunSize {
  Index trainable = 0;                    // parameters
  Index model = 0;                        // weights of the model
  std::vector<TrainedGroup> groups = {};  // in model order
  std::vector<Index> tensors = {};        // parameters of each tensor that trains
  // Of LoRA; empty and 0 with the full method.
  std::vector<Index> ranks = {};  // as in model::PassShape
  Index given_up = 0;  // numbers of what the weights go without where A and B begin as a part of them
  bool dropout = false;
  bool dora = false;
  std::vector<model::CopySpec> copies = {};  // of modules_to_save and bias
  std::vector<EmbeddingRank> embeddings = {};
  std::vector<std::string> warnings = {};  // as the run gives them
  Index lowest = 0;  // the lowest block that trains; the number of blocks if only the head does

  /// Share of the model's weights.
  [[nodiscard]] double share() const { return static_cast<double>(trainable) / static_cast<double>(model); }
  /// Of the tensors of LoRA, in memory and in the result.
  [[nodiscard]] Index adapter_bytes() const { return (trainable + given_up) * size_of(DType::kF32); }
};

/// By options.method, adapter and lora. Makes the adapter to measure it, which is small, but by the plainest
/// start; the model is afterwards as it was. Throws Error for what a run would refuse of the adapter.
RunSize measure_run(model::LoadedModel& model, const TrainOptions& options);

/// An array of {"module", "count", "parameters"}.
io::OrderedJson to_json(const std::vector<TrainedGroup>& groups);

}  // namespace lorry::train
