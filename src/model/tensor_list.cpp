#include "model/tensor_list.hpp"

#include <utility>

namespace lorry::model {

namespace {

class Lister {
 public:
  explicit Lister(const ModelConfig& config) : config_(config) {}

  std::vector<TensorSpec> run() {
    const ModuleNames& names = config_.names;
    embedding(names.root + names.embedding, config_.vocab_size);
    if (!names.position_embedding.empty()) {
      embedding(names.root + names.position_embedding, config_.max_position_embeddings);
    }
    for (Index layer = 0; layer < config_.num_hidden_layers; ++layer) block(config_.block_name(layer));
    norm(names.root + names.final_norm, config_.hidden_size);
    if (!config_.tie_word_embeddings) {
      specs_.push_back(
          {names.head + ".weight", {config_.vocab_size, config_.hidden_size}, TensorKind::kLinear});
    }
    return std::move(specs_);
  }

 private:
  void block(const std::string& prefix) {
    const ModuleNames& names = config_.names;
    const Index hidden = config_.hidden_size;
    const Index q = config_.q_width();
    const Index k = config_.k_width();
    norm(prefix + names.attention_norm, hidden);
    if (names.qkv.size() == 1) {
      linear(prefix + names.qkv[0], hidden, q + 2 * k, config_.qkv_bias);
    } else {
      linear(prefix + names.qkv[0], hidden, q, config_.qkv_bias);
      linear(prefix + names.qkv[1], hidden, k, config_.qkv_bias);
      linear(prefix + names.qkv[2], hidden, k, config_.qkv_bias);
    }
    if (config_.qk_norm) {
      norm(prefix + names.q_norm, config_.head_dim);
      norm(prefix + names.k_norm, config_.head_dim);
    }
    linear(prefix + names.attention_output, q, hidden, config_.attention_output_bias);
    norm(prefix + names.mlp_norm, hidden);
    if (!names.gate.empty()) linear(prefix + names.gate, hidden, config_.intermediate_size, config_.mlp_bias);
    linear(prefix + names.up, hidden, config_.intermediate_size, config_.mlp_bias);
    linear(prefix + names.down, config_.intermediate_size, hidden, config_.mlp_bias);
  }

  void embedding(const std::string& name, Index rows) {
    specs_.push_back({name + ".weight", {rows, config_.hidden_size}, TensorKind::kEmbedding});
  }

  void linear(const std::string& name, Index inputs, Index outputs, bool bias) {
    std::vector<Index> shape = {outputs, inputs};
    if (config_.conv1d) std::swap(shape[0], shape[1]);
    specs_.push_back({name + ".weight", std::move(shape), TensorKind::kLinear});
    if (bias) specs_.push_back({name + ".bias", {outputs}, TensorKind::kBias});
  }

  void norm(const std::string& name, Index width) {
    specs_.push_back({name + ".weight", {width}, TensorKind::kNormWeight});
    if (config_.norm == nn::NormKind::kLayer)
      specs_.push_back({name + ".bias", {width}, TensorKind::kNormBias});
  }

  const ModelConfig& config_;
  std::vector<TensorSpec> specs_;
};

}  // namespace

std::vector<TensorSpec> list_tensors(const ModelConfig& config) {
  return Lister(config).run();
}

Index count_weights(const ModelConfig& config) {
  Index count = 0;
  for (const TensorSpec& spec : list_tensors(config)) count += spec.rows() * spec.cols();
  return count;
}

}  // namespace lorry::model
