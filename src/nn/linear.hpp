// nn/linear.hpp: a linear map that is frozen, trained in full, or frozen with a trained low-rank update
// beside it, or with several, each of some of its outputs: what a fused map makes may be adapted apart.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "nn/context.hpp"
#include "nn/token_rows.hpp"

namespace lorry::nn {

/// The low-rank update of one linear map (Hu et al. 2021, sec. 4.1): delta W = scale * B A, and with PEFT's
/// lora_bias delta bias = scale * bias. The tensors and
/// their gradients are float32; backward adds to the gradients, the trainer zeroes them once per optimiser
/// step. Of a part of a map, O counts the part's outputs.
struct LowRankUpdate {
  Index rank = 0;        // R
  float scale = 1.0F;    // alpha / rank
  float dropout = 0.0F;  // of the input of A
  Matrix a;              // [R, I]
  Matrix b_transposed;   // [R, O]: every kernel reads B along O; files hold B as [O, R]
  Matrix bias;           // [1, O], or empty
  Matrix a_gradient;     // as a; empty when not training
  Matrix b_gradient;     // as b_transposed; empty when not training
  Matrix bias_gradient;  // as bias; empty when not training
  /// DoRA (nn/dora.cpp): what every output's row of W + delta W is stretched to. All [1,O]; empty without it.
  Matrix magnitude = {};           // m, trained
  Matrix norm = {};                // of those rows, as Linear::renew_norm found it; a constant to backward
  Matrix magnitude_gradient = {};  // empty when not training

  [[nodiscard]] bool drops(const Context& context) const noexcept {
    return context.training && dropout > 0.0F;
  }
};

/// y = x W^T + bias (+ scale * (dropout(x) A^T B^T + bias of the update)), or with DoRA what nn/dora.cpp
/// says. Shapes: x, dx [N,I]; y, dy [N,O]; W [O,I], or [I,O] for GPT-2's Conv1D; bias [1,O] F32.
class Linear {
 public:
  /// Views that must outlive the object; no weight is ever copied here.
  struct Weights {
    WeightView matrix;               // any of F32, F16, BF16, or packed; read by products alone
    ConstMatrixView bias;            // [1,O] F32, or empty
    bool inputs_by_outputs = false;  // Conv1D: matrix is [I,O]
    /// The same numbers for whoever reads them between two passes, when a matrix that is streamed from the
    /// disk may not be there. Empty: matrix.
    WeightView at_rest = {};

    [[nodiscard]] WeightView readable() const { return at_rest.empty() ? matrix : at_rest; }
  };
  /// Where full fine-tuning accumulates; F32, shapes of Weights. Empty: frozen.
  struct Gradients {
    MatrixView matrix;
    MatrixView bias;
  };
  /// Kept by forward for backward, beside x.
  struct Cache {
    Matrix h;  // [N,R] F32: scale * dropout(x) A^T; the ranks of several updates lie side by side
  };
  /// Room for temporaries; may be shared by all maps of a model, which run one after another.
  struct Scratch {
    Matrix dropped;  // [N,I]: dropout(x)
    Matrix dh;       // [N,R] F32; as Cache::h
    Matrix dx;       // [N,I]: the update's part of dx before its mask
    Matrix bias;     // [1,O]: scale * bias, or the sums of dy
    // Of DoRA:
    Matrix z;            // [N,O] F32: x (W + delta W)^T
    Matrix factor;       // [1,O]: magnitude / norm
    Matrix sums;         // [1,O]
    Matrix factored_dy;  // [N,O]
    Matrix rest_dy;      // [N,O]: factored_dy - dy
  };

  Linear() = default;
  /// `number` is unique in the model; dropout draws depend on it.
  Linear(std::string name, Index number, Weights weights);

  /// The name PEFT matches target_modules against: "model.layers.0.self_attn.q_proj".
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] Index inputs() const noexcept;
  [[nodiscard]] Index outputs() const noexcept;
  [[nodiscard]] const Weights& weights() const noexcept { return weights_; }
  /// Whether backward has gradients to compute here, besides dx.
  [[nodiscard]] bool trains() const noexcept;

  /// A borrowed update among those of a map.
  struct PlacedUpdate {
    LowRankUpdate* update = nullptr;
    Index first_output = 0;  // that it adds to
    Index first_rank = 0;    // ranks of those before it

    /// Its columns of a view [N, total rank] that all updates share.
    template <class View>
    [[nodiscard]] View columns(View all) const {
      return all.col_range(first_rank, update->rank);
    }
  };
  /// Puts an update of all outputs beside W, in place of what was there; null takes that away.
  void set_update(LowRankUpdate* update);
  /// One more update, of the outputs from first_output on, as many as its B has. All updates of a map drop
  /// the same inputs where their dropout rates agree, as one stacked update would (docs/math/lora.md).
  void add_update(LowRankUpdate* update, Index first_output);
  [[nodiscard]] std::span<const PlacedUpdate> updates() const noexcept { return updates_; }
  /// With DoRA: finds the norms of the rows of W + delta W, reading the matrix of products, which has to
  /// follow every change of A or B before the next forward. Else does nothing.
  void renew_norm(ops::Ops& ops) const;
  void set_gradients(Gradients gradients) { gradients_ = gradients; }
  /// Computes with these instead, which the caller owns; what is empty stays the map's own. {}: undone.
  void set_copies(ConstMatrixView matrix, ConstMatrixView bias);
  /// Of a head whose y is F32: computes with these borrowed rows of W [O,I] instead, below updates without
  /// DoRA; null: with its own.
  void set_token_rows(TokenRows* rows);

  /// y = or += the map of x. x has the compute type; y that or F32.
  void forward(const Context& context, ConstMatrixView x, bool accumulate, Cache& cache, Scratch& scratch,
               MatrixView y) const;
  /// What forward puts into the cache, without y.
  void fill_cache(const Context& context, ConstMatrixView x, Cache& cache, Scratch& scratch) const;
  /// dx = or += the gradient by x (skipped when dx is empty); adds to the gradients of what trains.
  /// x and cache are those of the matching forward; dy has the compute type; dx that or F32.
  void backward(const Context& context, ConstMatrixView x, ConstMatrixView dy, const Cache& cache,
                bool accumulate, Scratch& scratch, MatrixView dx) const;

 private:
  [[nodiscard]] ops::DropoutKey dropout_key(const Context& context, const LowRankUpdate& update) const;
  /// What A multiplies: x, or its masked copy in scratch.
  [[nodiscard]] ConstMatrixView update_input(const Context& context, const LowRankUpdate& update,
                                             ConstMatrixView x, Scratch& scratch) const;
  static void add_update_bias(const Context& context, const LowRankUpdate& update, Scratch& scratch,
                              MatrixView y);
  /// The sum of all ranks: columns of Cache::h.
  [[nodiscard]] Index total_rank() const noexcept;
  // One update's part of backward; h, dh and dy are its own columns. First dh = scale * dy B and the
  // gradients of what it trains; then, unless the product takes it along, dx += dh A under the mask of x.
  void backward_update(const Context& context, LowRankUpdate& update, ConstMatrixView x, ConstMatrixView h,
                       ConstMatrixView dy, MatrixView dh, Scratch& scratch) const;
  void add_masked_dx(const Context& context, const LowRankUpdate& update, ConstMatrixView dh,
                     Scratch& scratch, MatrixView dx) const;

  /// y = or += x W^T + plus.
  void multiply(const Context& context, ConstMatrixView x, bool accumulate, MatrixView y,
                std::span<const ops::LowRankTerm> plus = {}) const;
  /// dx = or += dy W + plus.
  void multiply_back(const Context& context, ConstMatrixView dy, bool accumulate, MatrixView dx,
                     std::span<const ops::LowRankTerm> plus = {}) const;
  /// Whether every update adds to all outputs, and nothing else decides any: the product with W then takes
  /// them along.
  [[nodiscard]] bool updates_are_whole() const;

  [[nodiscard]] bool is_dora() const noexcept {
    return updates_.size() == 1 && !updates_.front().update->magnitude.empty();
  }
  /// Of backward: the gradients of bias and matrix.
  void backward_weights(const Context& context, ConstMatrixView x, ConstMatrixView dy) const;
  /// All of forward, and of backward all but backward_weights(), in nn/dora.cpp.
  void forward_dora(const Context& context, ConstMatrixView x, bool accumulate, Cache& cache,
                    Scratch& scratch, MatrixView y) const;
  void backward_dora(const Context& context, ConstMatrixView x, ConstMatrixView dy, const Cache& cache,
                     bool accumulate, Scratch& scratch, MatrixView dx) const;
  /// scratch.z = input (W + delta W)^T, h being what A makes of input.
  void project_dora(const Context& context, ConstMatrixView input, ConstMatrixView h, Scratch& scratch) const;

  std::string name_;
  Index number_ = 0;
  Weights own_;      // as constructed
  Weights weights_;  // that the map computes with
  Gradients gradients_;
  std::vector<PlacedUpdate> updates_;
  TokenRows* token_rows_ = nullptr;
};

}  // namespace lorry::nn
