#include "model/decoder.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "tensor/finite.hpp"

namespace lorry::model {

namespace {

nn::Sequence sequence_of(const data::Batch& batch) {
  return {batch.positions, batch.offsets, batch.parents};
}

}  // namespace

Decoder::Decoder(ops::Ops& ops, ModelConfig config, const Weights& weights, DType compute)
    : ops_(ops), config_(std::move(config)), compute_(compute), stream_(weights.stream()) {
  LORRY_CHECK(compute == DType::kF32 || compute == DType::kBF16);
  const ModuleNames& names = config_.names;
  embedding_ = weights.at(names.root + names.embedding + ".weight");
  if (!names.position_embedding.empty()) {
    position_embedding_ = weights.at(names.root + names.position_embedding + ".weight");
  }
  own_embedding_ = embedding_;
  own_positions_ = position_embedding_;
  for (Index layer = 0; layer < config_.num_hidden_layers; ++layer)
    blocks_.push_back(make_block(weights, layer));
  final_norm_ = make_norm(weights, names.root + names.final_norm);
  const std::string head =
      (config_.tie_word_embeddings ? names.root + names.embedding : names.head) + ".weight";
  head_ = nn::LossHead(
      nn::Linear(names.head, linear_count_++,
                 {.matrix = weights.for_products(head), .bias = {}, .at_rest = weights.at(head)}));
}

nn::Linear Decoder::make_linear(const Weights& weights, const std::string& name, bool bias) {
  return {name,
          linear_count_++,
          {.matrix = weights.for_products(name + ".weight"),
           .bias = bias ? weights.at(name + ".bias").as_dense() : ConstMatrixView{},
           .inputs_by_outputs = config_.conv1d,
           .at_rest = weights.at(name + ".weight")}};
}

nn::Norm Decoder::make_norm(const Weights& weights, const std::string& name) const {
  const bool bias = config_.norm == nn::NormKind::kLayer;
  return {config_.norm,
          config_.norm_eps,
          {.weight = weights.at(name + ".weight").as_dense(),
           .bias = bias ? weights.at(name + ".bias").as_dense() : ConstMatrixView{}}};
}

Block Decoder::make_block(const Weights& weights, Index layer) {
  const ModuleNames& names = config_.names;
  const std::string prefix = config_.block_name(layer);
  nn::SelfAttention::Parts attention;
  for (const std::string& name : names.qkv) {
    attention.qkv.push_back(make_linear(weights, prefix + name, config_.qkv_bias));
  }
  attention.output = make_linear(weights, prefix + names.attention_output, config_.attention_output_bias);
  if (config_.qk_norm) {
    attention.q_norm = make_norm(weights, prefix + names.q_norm);
    attention.k_norm = make_norm(weights, prefix + names.k_norm);
  }
  const ops::AttentionShape shape = {.heads = config_.num_attention_heads,
                                     .kv_heads = config_.num_key_value_heads,
                                     .head_dim = config_.head_dim,
                                     .scale = 1.0F / std::sqrt(static_cast<float>(config_.head_dim)),
                                     .window = config_.window(layer)};
  nn::Mlp::Parts mlp;
  if (!names.gate.empty()) mlp.gate = make_linear(weights, prefix + names.gate, config_.mlp_bias);
  mlp.up = make_linear(weights, prefix + names.up, config_.mlp_bias);
  mlp.down = make_linear(weights, prefix + names.down, config_.mlp_bias);
  return {make_norm(weights, prefix + names.attention_norm), nn::SelfAttention(std::move(attention), shape),
          make_norm(weights, prefix + names.mlp_norm), nn::Mlp(std::move(mlp))};
}

std::vector<nn::Linear*> Decoder::linears() {
  std::vector<nn::Linear*> all;
  for (Block& block : blocks_) {
    for (nn::Linear* linear : block.linears()) all.push_back(linear);
  }
  all.push_back(&head_.linear());
  return all;
}

nn::Linear* Decoder::find_linear(const std::string& name) {
  for (nn::Linear* linear : linears()) {
    if (linear->name() == name) return linear;
  }
  return nullptr;
}

nn::Norm* Decoder::find_norm(const std::string& name) {
  const ModuleNames& names = config_.names;
  if (name == names.root + names.final_norm) return &final_norm_;
  for (Index layer = 0; layer < config_.num_hidden_layers; ++layer) {
    const std::string prefix = config_.block_name(layer);
    Block& block = blocks_[static_cast<std::size_t>(layer)];
    if (name == prefix + names.attention_norm) return &block.attention_norm();
    if (name == prefix + names.mlp_norm) return &block.mlp_norm();
    if (!config_.qk_norm) continue;
    if (name == prefix + names.q_norm) return &*block.attention().parts().q_norm;
    if (name == prefix + names.k_norm) return &*block.attention().parts().k_norm;
  }
  return nullptr;
}

void Decoder::set_embedding_gradients(MatrixView tokens, MatrixView positions) {
  embedding_gradient_ = tokens;
  position_gradient_ = positions;
}

void Decoder::set_embedding_copies(ConstMatrixView tokens, ConstMatrixView positions) {
  embedding_ = tokens.empty() ? own_embedding_ : WeightView(tokens);
  position_embedding_ = positions.empty() ? own_positions_ : WeightView(positions);
}

void Decoder::set_embedding_updates(nn::EmbeddingUpdate* tokens, nn::EmbeddingUpdate* positions) {
  embedding_update_ = tokens;
  position_update_ = positions;
}

void Decoder::set_token_rows(nn::TokenRows* embedding, nn::TokenRows* head) {
  token_rows_ = embedding;
  head_.linear().set_token_rows(head);
}

bool Decoder::embeddings_train() const {
  const auto trains = [](const nn::EmbeddingUpdate* update) { return update != nullptr && update->trains(); };
  return !embedding_gradient_.empty() || !position_gradient_.empty() || trains(embedding_update_) ||
         trains(position_update_) || (token_rows_ != nullptr && token_rows_->trains());
}

void Decoder::embedding_backward(const data::Batch& batch, ConstMatrixView d_x) {
  if (!embedding_gradient_.empty()) ops_.embedding_backward(d_x, batch.ids, embedding_gradient_);
  if (!position_gradient_.empty()) ops_.embedding_backward(d_x, batch.positions, position_gradient_);
  if (embedding_update_ != nullptr && embedding_update_->trains()) {
    embedding_update_->backward(ops_, batch.ids, d_x);
  }
  if (token_rows_ != nullptr && token_rows_->trains()) token_rows_->embed_backward(batch.ids, d_x);
  if (position_update_ != nullptr && position_update_->trains()) {
    position_update_->backward(ops_, batch.positions, d_x);
  }
}

nn::Context Decoder::context(const PassOptions* options) const {
  nn::Context context{.ops = ops_, .compute = compute_, .int8 = int8_};
  if (options != nullptr) {
    context.training = true;
    context.dropout_seed = options->dropout_seed;
    context.micro_step = options->micro_step;
  }
  return context;
}

Index Decoder::lowest_trained() const {
  if (embeddings_train()) return 0;
  const auto found =
      std::find_if(blocks_.begin(), blocks_.end(), [](const Block& block) { return block.trains(); });
  return found - blocks_.begin();
}

void Decoder::check_positions(Index positions) const {
  if (position_embedding_.empty() || positions <= position_embedding_.rows) return;
  throw Error("[model] a text of {} tokens is longer than this model's {} positions", positions,
              position_embedding_.rows);
}

void Decoder::prepare_positions(Index positions) {
  check_positions(positions);
  if (!position_embedding_.empty() || rope_.rows() >= positions) return;
  rope_ = nn::make_rope_table(config_.rope, config_.head_dim, std::max(positions, 2 * rope_.rows()));
}

void Decoder::embed(std::span<const std::int32_t> ids, std::span<const std::int32_t> positions,
                    MatrixView x) const {
  ops_.embedding(embedding_, ids, x);
  if (token_rows_ != nullptr) token_rows_->embed(ids, x);
  if (embedding_update_ != nullptr) embedding_update_->forward(ops_, ids, x);
  if (position_embedding_.empty()) return;
  Matrix learned(x.rows, x.cols);
  ops_.embedding(position_embedding_, positions, learned);
  if (position_update_ != nullptr) position_update_->forward(ops_, positions, learned);
  ops_.add(learned, 1.0F, x);
}

void Decoder::add_embedding_noise(const data::Batch& batch, const PassOptions& options, MatrixView x) const {
  // As the stream of the dropout of the map with the highest number, which no model has.
  constexpr std::uint64_t kNumber = (std::uint64_t{1} << 20U) - 1;
  std::vector<float> magnitude(static_cast<std::size_t>(x.rows));
  const ops::Documents documents = sequence_of(batch).documents();
  for (std::size_t d = 0; d < static_cast<std::size_t>(batch.documents()); ++d) {
    const Index first = batch.offsets[d];
    const Index last = batch.offsets[d + 1];
    const auto elements = static_cast<double>(documents.keys_seen(d) * x.cols);
    std::fill(magnitude.begin() + first, magnitude.begin() + last,
              static_cast<float>(static_cast<double>(options.neftune_noise_alpha) / std::sqrt(elements)));
  }
  ops_.add_noise(magnitude, {options.dropout_seed, options.micro_step << 20U | kNumber}, x);
}

void Decoder::plan_visits(Index lowest_backward) const {
  if (!stream_) return;
  const Index layers = config_.num_hidden_layers;
  std::vector<Index> order;
  for (Index part = 0; part <= layers; ++part) order.push_back(part);
  for (Index layer = layers - 1; layer >= lowest_backward; --layer) order.push_back(layer);
  stream_->start_pass(std::move(order));
}

void Decoder::visit(Index part) const {
  if (stream_) stream_->visit(part);
}

void Decoder::with_linears(const std::function<void(nn::Linear&)>& use) {
  const Index layers = config_.num_hidden_layers;
  plan_visits(layers);
  for (Index layer = 0; layer < layers; ++layer) {
    visit(layer);
    for (nn::Linear* linear : blocks_[static_cast<std::size_t>(layer)].linears()) use(*linear);
  }
  visit(layers);
  use(head_.linear());
}

void Decoder::let_go(WeightView read) const {
  if (stream_) stream_->let_go(read);
}

std::vector<Decoder::Pass> Decoder::passes_of(std::span<const data::Batch> batches,
                                              std::span<const PassOptions> options) const {
  LORRY_CHECK(options.empty() || options.size() == batches.size());
  std::vector<Pass> passes;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const PassOptions* const own = options.empty() ? nullptr : &options[i];
    passes.push_back({batches[i], own, context(own), static_cast<Index>(i)});
  }
  return passes;
}

void Decoder::forward(std::span<Pass> passes, Index keep_from, bool keep_caches, Workspace& workspace) {
  const Index layers = config_.num_hidden_layers;
  // Only ever grown: an evaluation between two steps must not free what the next step needs again.
  const std::size_t caches =
      keep_caches ? static_cast<std::size_t>(std::max(layers - keep_from, Index{1})) : 1;
  if (workspace.caches.size() < caches) workspace.caches.resize(caches);
  BlockInputs& inputs = workspace.inputs;
  BlockInputs::Shape shape = {.cols = config_.hidden_size, .blocks = layers, .lowest = keep_from};
  for (const Pass& pass : passes) shape.rows.push_back(pass.batch.rows());
  inputs.start(std::move(shape));
  for (const Pass& pass : passes) {
    const data::Batch& batch = pass.batch;
    prepare_positions(*std::max_element(batch.positions.begin(), batch.positions.end()) + 1);
    const MatrixView x = inputs.make(0, pass.number);
    embed(batch.ids, batch.positions, x);
    if (pass.options != nullptr && pass.options->neftune_noise_alpha > 0) {
      add_embedding_noise(batch, *pass.options, x);
    }
  }
  for (Index layer = 0; layer < layers; ++layer) {
    visit(layer);
    const bool keep = keep_caches && layer >= keep_from;
    Block::Cache& cache = workspace.caches[static_cast<std::size_t>(keep ? layer - keep_from : 0)];
    for (const Pass& pass : passes) {
      const MatrixView output = inputs.make(layer + 1, pass.number);
      blocks_[static_cast<std::size_t>(layer)].forward(pass.context, inputs.get(layer, pass.number), rope_,
                                                       sequence_of(pass.batch), cache, workspace.block,
                                                       output);
    }
  }
  visit(layers);
}

void Decoder::finish(const Pass& pass, Workspace& workspace) {
  workspace.final_normed().reshape(pass.batch.rows(), config_.hidden_size, compute_);
  final_norm_.forward(pass.context, workspace.inputs.get(config_.num_hidden_layers, pass.number),
                      workspace.final_normed());
}

void Decoder::backward(std::span<Pass> passes, Index lowest, bool recompute, Workspace& workspace) {
  workspace.inputs.turn();
  for (Index layer = config_.num_hidden_layers - 1; layer >= lowest; --layer) {
    visit(layer);
    const Block& block = blocks_[static_cast<std::size_t>(layer)];
    Block::Cache& cache = workspace.caches[static_cast<std::size_t>(recompute ? 0 : layer - lowest)];
    for (const Pass& pass : passes) {
      const ConstMatrixView input = workspace.inputs.get(layer, pass.number);
      const nn::Sequence sequence = sequence_of(pass.batch);
      if (recompute) block.forward(pass.context, input, rope_, sequence, cache, workspace.block, {});
      block.backward(pass.context, input, rope_, sequence, cache, layer > lowest || embeddings_train(),
                     workspace.block, workspace.d_x[static_cast<std::size_t>(pass.number)]);
    }
  }
  if (!embeddings_train()) return;
  for (const Pass& pass : passes) {
    embedding_backward(pass.batch, workspace.d_x[static_cast<std::size_t>(pass.number)]);
  }
}

double Decoder::loss(const data::Batch& batch, Workspace& workspace) {
  return losses(std::span(&batch, 1), workspace).front();
}

std::vector<double> Decoder::losses(std::span<const data::Batch> batches, Workspace& workspace) {
  const Index layers = config_.num_hidden_layers;
  std::vector<Pass> passes = passes_of(batches, {});
  plan_visits(layers);
  forward(passes, layers, false, workspace);
  std::vector<double> losses;
  for (const Pass& pass : passes) {
    finish(pass, workspace);
    losses.push_back(head_.loss(pass.context, workspace.final_normed(), pass.batch.targets, workspace.head));
  }
  return losses;
}

double Decoder::loss_and_gradient(const data::Batch& batch, const PassOptions& options,
                                  Workspace& workspace) {
  return losses_and_gradients(std::span(&batch, 1), std::span(&options, 1), workspace).front();
}

std::vector<double> Decoder::losses_and_gradients(std::span<const data::Batch> batches,
                                                  std::span<const PassOptions> options,
                                                  Workspace& workspace) {
  std::vector<Pass> passes = passes_of(batches, options);
  const Index lowest = lowest_trained();
  const Index layers = config_.num_hidden_layers;
  const bool recompute = streams() || batches.size() > 1 || options.front().grad_checkpoint;
  const bool below_head = lowest < layers || final_norm_.trains();
  if (workspace.d_x.size() < batches.size()) workspace.d_x.resize(batches.size());
  plan_visits(lowest);
  forward(passes, lowest, !recompute, workspace);
  std::vector<double> losses;
  for (const Pass& pass : passes) {
    finish(pass, workspace);
    if (below_head) workspace.d_final().reshape(pass.batch.rows(), config_.hidden_size, DType::kF32);
    losses.push_back(head_.loss_and_gradient(pass.context, workspace.final_normed(), pass.batch.targets,
                                             {pass.options->gradient_scale, pass.options->label_smoothing},
                                             workspace.head,
                                             below_head ? workspace.d_final().view() : MatrixView{}));
    if (!below_head) continue;
    Matrix& d_x = workspace.d_x[static_cast<std::size_t>(pass.number)];
    d_x.reshape(pass.batch.rows(), config_.hidden_size, DType::kF32);
    final_norm_.backward(pass.context, workspace.inputs.get(layers, pass.number), workspace.d_final(), false,
                         d_x);
  }
  const bool finite =
      std::all_of(losses.begin(), losses.end(), [](double loss) { return std::isfinite(loss); });
  if (below_head && finite) backward(passes, lowest, recompute, workspace);
  return losses;
}

std::string Decoder::first_non_finite(const Workspace& workspace) const {
  const Index layers = config_.num_hidden_layers;
  const Index lowest = lowest_trained();
  const ModuleNames& names = config_.names;
  for (Index layer = lowest; layer <= layers; ++layer) {
    if (workspace.inputs.all_finite(layer)) continue;
    if (layer == 0) return names.root + names.embedding;
    const auto block = [this](Index number) {
      const std::string prefix = config_.block_name(number);
      return prefix.substr(0, prefix.size() - 1);  // without the dot
    };
    return layer == lowest ? "a layer below " + block(layer) : block(layer - 1);
  }
  return all_finite(workspace.final_normed()) ? names.head : names.root + names.final_norm;
}

void Decoder::logits(const data::Batch& batch, Workspace& workspace, MatrixView logits) {
  const Index layers = config_.num_hidden_layers;
  std::vector<Pass> passes = passes_of(std::span(&batch, 1), {});
  plan_visits(layers);
  forward(passes, layers, false, workspace);
  finish(passes.front(), workspace);
  head_.linear().forward(passes.front().context, workspace.final_normed(), false, workspace.head.update,
                         workspace.head.linear, logits);
}

}  // namespace lorry::model
