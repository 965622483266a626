// model/decoder.hpp: a causal language model: embedding, blocks, final norm, head; forward, backward and
// generation.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "data/batch.hpp"
#include "model/block.hpp"
#include "model/block_inputs.hpp"
#include "model/config.hpp"
#include "model/text_cache.hpp"
#include "model/weight_stream.hpp"
#include "model/weights.hpp"
#include "nn/embedding_update.hpp"
#include "nn/head.hpp"
#include "nn/token_rows.hpp"

namespace lorry::model {

/// What a training pass may vary from one micro-step to the next.
struct PassOptions {
  float gradient_scale = 1.0F;  // multiplies the gradient of the summed loss: 1 / targets of the whole step
  /// Keep only block inputs and compute again what backward reads: the same bits, less memory.
  bool grad_checkpoint = false;
  std::uint64_t dropout_seed = 0;  // of the embeddings' noise too
  std::uint64_t micro_step = 0;
  float label_smoothing = 0.0F;      // in [0, 1): of the loss, as in ops::CrossEntropyOptions
  float neftune_noise_alpha = 0.0F;  // at least 0; see Decoder::add_embedding_noise
};

/// Borrows the weights it is made of. Legend: N rows of a batch, D hidden size, V vocabulary.
class Decoder {
 public:
  /// Everything between the parameters and their gradients; grows at first use and is reused.
  struct Workspace {
    BlockInputs inputs;                // [N,D] F32 of every block that backward visits, and the last output
    std::vector<Matrix> d_x;           // [N,D] F32: one for each batch that goes through together
    std::vector<Block::Cache> caches;  // of the visited blocks; one when recomputing
    Block::Scratch block;
    nn::LossHead::Scratch head;

    // What the head reads, [N,D] in the compute type, and its gradient, F32; there until a block runs, which
    // after losses_and_gradients() none did where a loss was not finite.
    [[nodiscard]] Matrix& final_normed() noexcept { return block.normed; }
    [[nodiscard]] const Matrix& final_normed() const noexcept { return block.normed; }
    [[nodiscard]] Matrix& d_final() noexcept { return block.d_normed; }
  };
  /// Texts under generation: their keys and values, and what extending them needs.
  struct Generation {
    TextCache texts;
    Block::Cache cache = {};
    Block::Scratch scratch = {};
    Matrix x[2] = {};
    Matrix last = {};    // [texts extended, D] compute type
    Matrix logits = {};  // [texts extended, V] F32
    nn::Linear::Cache head_cache = {};
    nn::Linear::Scratch head_scratch = {};
  };
  /// Tokens (at least one) to put behind a text.
  struct TextPart {
    Index text = 0;
    std::span<const std::int32_t> ids = {};
  };

  /// compute: F32 or BF16. weights must hold every tensor of the config and outlive this.
  Decoder(ops::Ops& ops, ModelConfig config, const Weights& weights, DType compute);

  [[nodiscard]] const ModelConfig& config() const noexcept { return config_; }
  [[nodiscard]] DType compute() const noexcept { return compute_; }
  /// Which products run in integers where weights are int8, but those of integer decoding; none at first.
  void set_int8(nn::Int8Products products) noexcept { int8_ = products; }
  /// Whether tokens behind a prompt are multiplied with the integers that weights consist of (ops::Integers,
  /// kDots), where they do; no at first.
  void set_integer_decoding(bool on) noexcept { integer_decoding_ = on; }
  [[nodiscard]] ops::Ops& ops() const noexcept { return ops_; }
  /// Every linear map in model order, the head last.
  [[nodiscard]] std::vector<nn::Linear*> linears();
  /// [V,D], in the type of its file.
  [[nodiscard]] WeightView embedding_table() const noexcept { return own_embedding_; }
  /// [P,D], or empty for rotary positions.
  [[nodiscard]] WeightView position_table() const noexcept { return own_positions_; }

  /// Whether weights are read from their files while a pass computes. Batches then had better go through
  /// together.
  [[nodiscard]] bool streams() const noexcept { return stream_ != nullptr; }

  /// Calls `use` with every linear map in model order while its weights are in memory.
  void with_linears(const std::function<void(nn::Linear&)>& use);
  /// Weights that were read through nn::Linear::Weights::readable() and will not be soon again: where weights
  /// are streamed, lets go of the memory that this took.
  void let_go(WeightView read) const;

  /// Sum of -log p(target) over the batch's targets, in nats.
  double loss(const data::Batch& batch, Workspace& workspace);
  /// Of several batches, which all pass through a block before the next one is needed; the same bits as one
  /// after the other.
  std::vector<double> losses(std::span<const data::Batch> batches, Workspace& workspace);
  /// loss, or with smoothed labels, and adds gradient_scale * its gradient to the gradients of everything
  /// that trains.
  double loss_and_gradient(const data::Batch& batch, const PassOptions& options, Workspace& workspace);
  /// Of several batches with the options of each, as in losses(); blocks compute again what they are not to
  /// keep of all batches at once. Where a loss is not finite it ends there, without a gradient of the blocks.
  std::vector<double> losses_and_gradients(std::span<const data::Batch> batches,
                                           std::span<const PassOptions> options, Workspace& workspace);
  /// After loss_and_gradient came to no finite number: the first part whose output was not finite, such as
  /// "model.layers.3". Of the blocks below the lowest one that trains it only tells that it was among them.
  [[nodiscard]] std::string first_non_finite(const Workspace& workspace) const;
  /// logits [N,V] F32 of every row: for tests and small inputs, since it is large.
  void logits(const data::Batch& batch, Workspace& workspace, MatrixView logits);

  /// Empty texts. Throws Error if `longest`, the tokens that one may come to, is beyond a model with learned
  /// positions.
  [[nodiscard]] Generation start_generation(Index longest, Index texts = 1);
  /// Appends tokens to some of the texts, in ascending order, all of them rows of the same products. Returns
  /// logits [parts, V] after the last token of each; valid until the next call.
  ConstMatrixView extend(Generation& generation, std::span<const TextPart> parts);
  /// The same for the only text; returns its logits [V].
  std::span<const float> extend(Generation& generation, std::span<const std::int32_t> ids);

  /// Where full fine-tuning hooks in; see model/full_parameters.hpp. Each returns the module whose tensors
  /// are called `name + ".weight"` and `name + ".bias"`; nullptr if there is none.
  [[nodiscard]] nn::Linear* find_linear(const std::string& name);
  [[nodiscard]] nn::Norm* find_norm(const std::string& name);
  void set_embedding_gradients(MatrixView tokens, MatrixView positions);
  /// Embeds by these tables instead, which the caller owns; what is empty stays the model's own. A tied head
  /// keeps the model's.
  void set_embedding_copies(ConstMatrixView tokens, ConstMatrixView positions);
  /// Puts borrowed updates beside the tables; null: none.
  void set_embedding_updates(nn::EmbeddingUpdate* tokens, nn::EmbeddingUpdate* positions);
  /// Embeds these tokens by borrowed rows of their own, and has the head compute with others; null: neither.
  /// A tied head that shall follow is given the same.
  void set_token_rows(nn::TokenRows* embedding, nn::TokenRows* head);

 private:
  [[nodiscard]] nn::Linear make_linear(const Weights& weights, const std::string& name, bool bias);
  [[nodiscard]] nn::Norm make_norm(const Weights& weights, const std::string& name) const;
  [[nodiscard]] Block make_block(const Weights& weights, Index layer);
  [[nodiscard]] nn::Context context(const PassOptions* options) const;
  /// First block that backward must visit; the number of blocks if only the head trains.
  [[nodiscard]] Index lowest_trained() const;
  /// Throws Error if a text of that many tokens is beyond a model with learned positions.
  void check_positions(Index positions) const;
  void prepare_positions(Index positions);
  void embed(std::span<const std::int32_t> ids, std::span<const std::int32_t> positions, MatrixView x) const;
  /// NEFTune (Jain et al. 2023, arXiv:2310.05914, algorithm 1): adds to each element of x, the embeddings of
  /// a document of L tokens with its parent's, a draw from alpha / sqrt(L D) * [-1, 1).
  void add_embedding_noise(const data::Batch& batch, const PassOptions& options, MatrixView x) const;
  /// One batch on its way; options: null where nothing trains.
  struct Pass {
    const data::Batch& batch;
    const PassOptions* options;
    nn::Context context;
    Index number;  // among the batches that go through together
  };
  [[nodiscard]] std::vector<Pass> passes_of(std::span<const data::Batch> batches,
                                            std::span<const PassOptions> options) const;
  /// Through all blocks. Keeps what backward needs from block `keep_from` on; block inputs lie in
  /// workspace.inputs.
  void forward(std::span<Pass> passes, Index keep_from, bool keep_caches, Workspace& workspace);
  /// Fills workspace.final_normed().
  void finish(const Pass& pass, Workspace& workspace);
  /// Down to block `lowest`, from d_x.
  void backward(std::span<Pass> passes, Index lowest, bool recompute, Workspace& workspace);
  /// Tells the stream which blocks come, and waits for one; the number of blocks is the head's. Nothing where
  /// all weights are there.
  void plan_visits(Index lowest_backward) const;
  void visit(Index part) const;
  [[nodiscard]] bool embeddings_train() const;
  void embedding_backward(const data::Batch& batch, ConstMatrixView d_x);

  ops::Ops& ops_;
  ModelConfig config_;
  DType compute_;
  nn::Int8Products int8_ = nn::Int8Products::kNone;
  bool integer_decoding_ = false;
  Index linear_count_ = 0;
  WeightView own_embedding_, own_positions_;  // as the weights have them
  WeightView embedding_;                      // [V,D]: by which it embeds
  WeightView position_embedding_;             // [P,D] or empty
  MatrixView embedding_gradient_;
  MatrixView position_gradient_;
  nn::EmbeddingUpdate* embedding_update_ = nullptr;
  nn::EmbeddingUpdate* position_update_ = nullptr;
  nn::TokenRows* token_rows_ = nullptr;
  std::vector<Block> blocks_;
  nn::Norm final_norm_;
  nn::LossHead head_;
  std::shared_ptr<WeightStream> stream_;  // null: all weights are there
  Matrix rope_;                           // [positions seen so far, head_dim]
};

}  // namespace lorry::model
