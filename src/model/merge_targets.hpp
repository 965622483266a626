// model/merge_targets.hpp: which tensors of a model an adapter changes, and into what.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "model/adapter.hpp"
#include "tensor/weight_view.hpp"

namespace lorry::model {

/// One tensor that merging changes: W and the update to be added to it or the rows to stand in it, or the
/// values to stand in its place. With none, W itself, to be written in another type.
struct MergeTarget {
  WeightView weight = {};  // [O,I], or [I,O] for Conv1D
  const nn::LowRankUpdate* update = nullptr;
  const nn::TokenRows* tokens = nullptr;  // rows of W that others take the places of
  bool inputs_by_outputs = false;
  std::shared_ptr<nn::LowRankUpdate> kept = {};  // what update may point to
  ConstMatrixView values = {};                   // F32: instead
  Matrix owned = {};                             // what values may point to
};

/// By the model's own name of the tensor (model/tensor_list.hpp).
using MergeTargets = std::map<std::string, MergeTarget>;

/// Borrows from decoder and adapter. `model` names the base in messages. Throws Error for an adapter on one
/// of a head and an embedding that are tied, and where a lora_bias has no bias to be added to.
MergeTargets find_merge_targets(Decoder& decoder, const Adapter& adapter, const std::filesystem::path& model);

}  // namespace lorry::model
