// model/tensor_list.hpp: the one list of a model's tensors. Loading, random initialisation, full fine-tuning,
// merging and counting all go through it.
#pragma once
#include <string>
#include <vector>

#include "model/config.hpp"

namespace lorry::model {

enum class TensorKind { kEmbedding, kLinear, kBias, kNormWeight, kNormBias };

struct TensorSpec {
  std::string name;          // as in the file: "model.layers.0.self_attn.q_proj.weight"
  std::vector<Index> shape;  // one or two sizes
  TensorKind kind;

  /// "model.layers.0.self_attn.q_proj".
  [[nodiscard]] std::string module() const { return name.substr(0, name.rfind('.')); }
  [[nodiscard]] Index rows() const { return shape.size() == 2 ? shape[0] : 1; }
  [[nodiscard]] Index cols() const { return shape.back(); }
};

/// Every tensor of the model in file order of the family. A tied head is not listed.
std::vector<TensorSpec> list_tensors(const ModelConfig& config);

/// Number of weights, a tied head counted once.
Index count_weights(const ModelConfig& config);

}  // namespace lorry::model
