#include "model/workspace_size.hpp"

#include <algorithm>

#include "core/check.hpp"
#include "model/block_inputs.hpp"
#include "nn/head.hpp"

namespace lorry::model {

namespace {

constexpr Index kF32Bytes = 4;

/// Sizes of one row, in bytes.
class RowBytes {
 public:
  RowBytes(const ModelConfig& config, const PassShape& pass)
      : config_(config), pass_(pass), c_(size_of(pass.compute)) {
    maps_ = std::ssize(config.names.qkv) + 1 + (config.names.gate.empty() ? 2 : 3);
    if (!pass.ranks.empty()) LORRY_CHECK_EQ(std::ssize(pass.ranks), maps_ * config.num_hidden_layers + 1);
  }

  /// Block::Cache of one layer.
  [[nodiscard]] Index cache(Index layer) const {
    const Index attention = c_ * (qkv() + config_.q_width() + (config_.qk_norm ? qk() : 0)) +
                            kF32Bytes * config_.num_attention_heads;
    const Index mlp = c_ * config_.intermediate_size * (gated() ? 2 : 1);
    Index ranks = 0;
    for (Index i = 0; i < maps_; ++i) ranks += rank(layer, i);
    return kF32Bytes * config_.hidden_size + attention + mlp + kF32Bytes * ranks;
  }

  /// Block::Scratch.
  [[nodiscard]] Index scratch() const {
    const Index d = config_.hidden_size;
    const Index f = config_.intermediate_size;
    const Index block = c_ * d + kF32Bytes * d + (c_ == kF32Bytes ? 0 : c_ * d);
    const Index attention = c_ * (config_.q_width() + qkv());
    const Index mlp = c_ * f * 2;
    return block + attention + mlp + linear_scratch(0, maps_ - mlp_maps(), std::max(d, config_.q_width())) +
           linear_scratch(maps_ - mlp_maps(), maps_, std::max(d, f));
  }

  /// LossHead::Scratch, of one row of a chunk; the head reads rows of a batch in chunks.
  [[nodiscard]] Index head() const {
    const bool blocks_train = pass_.lowest < config_.num_hidden_layers;
    const bool trains = blocks_train || head_rank() > 0;
    return c_ * config_.hidden_size + kF32Bytes * config_.vocab_size +
           (trains && c_ != kF32Bytes ? c_ * config_.vocab_size : 0) +
           (blocks_train ? kF32Bytes * config_.hidden_size : 0) + 2 * kF32Bytes * head_rank();
  }

 private:
  [[nodiscard]] bool gated() const { return !config_.names.gate.empty(); }
  [[nodiscard]] Index mlp_maps() const { return gated() ? 3 : 2; }
  [[nodiscard]] Index qk() const { return config_.q_width() + config_.k_width(); }
  [[nodiscard]] Index qkv() const { return qk() + config_.k_width(); }
  [[nodiscard]] Index head_rank() const { return pass_.ranks.empty() ? 0 : pass_.ranks.back(); }
  [[nodiscard]] Index rank(Index layer, Index map) const {
    return pass_.ranks.empty() ? 0 : pass_.ranks[static_cast<std::size_t>(layer * maps_ + map)];
  }

  /// nn::Linear::Scratch of the maps [first, last) of all blocks, of at most that many inputs.
  [[nodiscard]] Index linear_scratch(Index first, Index last, Index inputs) const {
    Index most = 0;
    for (Index layer = 0; layer < config_.num_hidden_layers; ++layer) {
      for (Index i = first; i < last; ++i) most = std::max(most, rank(layer, i));
    }
    const Index dropped = pass_.dropout && most > 0 ? (c_ + kF32Bytes) * inputs : 0;
    return kF32Bytes * most + dropped;
  }

  const ModelConfig& config_;
  const PassShape& pass_;
  Index c_;     // bytes of the compute type
  Index maps_;  // linear maps of a block
};

}  // namespace

WorkspaceBytes workspace_bytes(const ModelConfig& config, const PassShape& pass) {
  const RowBytes row(config, pass);
  const Index layers = config.num_hidden_layers;
  const Index d = config.hidden_size;
  const bool blocks_train = pass.lowest < layers;
  const Index evaluated = pass.evaluated > 0 ? BlockInputs::rooms(pass.evaluated, layers, layers, 0) : 0;
  const Index inputs =
      std::max(BlockInputs::rooms(pass.batches, layers, pass.lowest, pass.in_file), evaluated);
  const Index streams = kF32Bytes * d * (inputs + (blocks_train ? pass.batches : 0));  // with d_x
  Index caches = 0;
  for (Index layer = pass.lowest; layer < layers; ++layer) {
    caches = pass.grad_checkpoint ? std::max(caches, row.cache(layer)) : caches + row.cache(layer);
  }
  if (!blocks_train) caches = row.cache(layers - 1);
  // Without backward the scratch holds less; nothing of the kind is worth a formula of its own.
  const Index rope =
      config.names.position_embedding.empty() ? pass.positions * config.head_dim * kF32Bytes : 0;
  WorkspaceBytes bytes;
  bytes.in_file = pass.rows * kF32Bytes * d * pass.batches *
                  std::min(pass.in_file, BlockInputs::most_in_file(layers, pass.lowest));
  bytes.activations = pass.rows * (streams + caches + row.scratch()) + rope;
  const Index chunk =
      std::min(nn::LossHead::chunk_rows(config.vocab_size), nn::LossHead::whole_steps(pass.targets));
  bytes.logits = chunk * row.head();
  return bytes;
}

Index generation_bytes(const ModelConfig& config, DType compute, Index texts, Index longest, Index rows) {
  const WorkspaceBytes pass = workspace_bytes(config, {.rows = rows,
                                                       .targets = 0,
                                                       .positions = longest,
                                                       .compute = compute,
                                                       .lowest = config.num_hidden_layers});
  const Index cached = 2 * config.k_width() * config.num_hidden_layers * texts * longest * size_of(compute);
  return pass.activations + cached + texts * config.vocab_size * kF32Bytes;
}

}  // namespace lorry::model
