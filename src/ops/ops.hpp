// ops/ops.hpp: the operator contract. Modules (nn/) are written once on top of it; ops/cpu implements it, a
// GPU will.
//
// Legend: N tokens (rows of a packed batch), I inputs, O outputs, R rank, H heads, V vocabulary. All matrices
// are row-major. "Compute type" is F32 or BF16: the type of activations between matrix products. Sums run in
// float32 whatever the types. Results do not depend on the number of threads unless a function says so.
// Shapes that disagree are a caller's bug (LORRY_CHECK). Outputs are overwritten unless a name or comment
// says "adds".
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "core/index.hpp"
#include "tensor/weight_view.hpp"

namespace lorry::ops {

/// How a product runs in integers if elements of b are small integers times scales: rows of a are rounded to
/// integers too (docs/math/int8.md). Without effect where it does not fit. Not with transpose_a.
enum class Integers {
  kNone,
  kDots,   // b transposed, int8 or a block format of GGUF; a to 8 bits. For few rows of a
  kTiles,  // b int8 (BlockFormat::kInt8); a to 7 bits. For many rows of a: up to four are multiplied in float
};

/// h [M,R] p [R,N], both F32: what a low-rank update adds to a product.
struct LowRankTerm {
  ConstMatrixView h;
  ConstMatrixView p;
};

/// c = op(a) op(b), or c += op(a) op(b); both more the terms `plus`, one after the other. op transposes where
/// asked.
struct MatmulOptions {
  bool transpose_a = false;
  bool transpose_b = false;
  bool accumulate = false;
  Integers integers = Integers::kNone;
  std::span<const LowRankTerm> plus = {};
};

/// One attention layer's fixed facts. Query head h reads key/value head h / (heads / kv_heads).
struct AttentionShape {
  Index heads = 1;
  Index kv_heads = 1;
  Index head_dim = 64;
  float scale = 0.125F;  // multiplies q k^T
  Index window = 0;      // a token sees itself and the window-1 before it; 0: all before it
};

/// Which rows belong together. Document d owns query rows [queries[d], queries[d+1]) and key rows
/// [keys[d], keys[d+1]); its queries are the last ones of its keys. In training both lists are the same.
///
/// A document with a parent goes on where that ends: its queries also see all keys of the parent, which come
/// before its own. So texts that begin alike have their beginning once, as the parent of all.
struct Documents {
  std::span<const Index> queries;
  std::span<const Index> keys;
  /// [d] the parent of document d, which has no parent itself; -1: none. Empty: no document has one.
  std::span<const Index> parents = {};

  [[nodiscard]] Index parent(std::size_t d) const { return parents.empty() ? -1 : parents[d]; }
  /// Keys of its parent.
  [[nodiscard]] Index keys_before(std::size_t d) const {
    const Index of = parent(d);
    return of < 0 ? 0 : keys[static_cast<std::size_t>(of) + 1] - keys[static_cast<std::size_t>(of)];
  }
  /// Keys that its last query sees, without a window.
  [[nodiscard]] Index keys_seen(std::size_t d) const { return keys_before(d) + keys[d + 1] - keys[d]; }
};

/// Dropout of one matrix: element (row, col) is kept by a draw that depends on these numbers alone, so that
/// the backward pass draws the same mask again.
struct DropoutKey {
  float rate = 0.0F;  // in [0, 1)
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;  // one per module and step
};

/// Uniform noise of one matrix; as in DropoutKey, a draw depends on these numbers and its place alone.
struct NoiseKey {
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;  // one per step
};

struct CrossEntropyOptions {
  bool with_gradient = false;
  float gradient_scale = 1.0F;
  float label_smoothing = 0.0F;  // in [0, 1): this share of every target is spread evenly over the vocabulary
};

/// Double, as in torch: in float32, 1 - beta2 alone would be off by 5e-5.
struct AdamWOptions {
  double lr = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.0;    // decoupled (Loshchilov & Hutter 2019)
  Index step = 1;               // counted from 1, for the bias corrections
  float gradient_scale = 1.0F;  // multiplies the gradient first (clipping)
};

struct SgdOptions {
  double lr = 1e-2;
  double momentum = 0.0;
  bool nesterov = false;
  double weight_decay = 0.0;  // added to the gradient, as in torch
  float gradient_scale = 1.0F;
};

struct LionOptions {
  double lr = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.99;
  double weight_decay = 0.0;  // decoupled
  float gradient_scale = 1.0F;
};

/// A matrix in 8 bits per element and one float32 per kQuantBlock elements of the flat row-major order:
/// element = map[code] * absmax of its block, map by ops/dynamic_map.hpp.
struct Quantized {
  MatrixView codes;   // [R,C] U8, contiguous
  MatrixView absmax;  // [1, ceil(R*C / kQuantBlock)] F32
};
inline constexpr Index kQuantBlock = 256;  // of bitsandbytes

/// The largest products of a run.
struct ProductSizes {
  Index rows = 0;         // of a
  Index side = 0;         // the longest of weights
  Index packed_side = 0;  // of packed ones
  bool integers = false;  // some run in integers
};

class Ops {
 public:
  virtual ~Ops() = default;

  /// One line for people: the implementation and the instruction set it picked.
  [[nodiscard]] virtual std::string description() const = 0;
  /// Whether BF16 products run at full speed here.
  [[nodiscard]] virtual bool fast_bf16() const = 0;

  // --- matrix products ---

  /// c [M,N] = op(a) [M,K] op(b) [K,N] + plus. c: F32 or BF16. a: F32, F16 or BF16, b one of these or packed;
  /// where they differ the product runs in the type of a (b is then a weight in the type its file had,
  /// converted a piece at a time).
  virtual void matmul(ConstMatrixView a, WeightView b, MatrixView c, MatmulOptions options) = 0;

  /// Bytes that such products keep between calls, beside what is compiled: at most about this.
  [[nodiscard]] virtual Index product_bytes(const ProductSizes& sizes) const = 0;

  /// h [N,R] F32 = scale * x [N,D] p^T, p [R,D] F32; x F32 or BF16. The thin products of a low-rank update,
  /// kept in float32: rounding them to BF16 would lose the update.
  virtual void low_rank_project(ConstMatrixView x, ConstMatrixView p, float scale, MatrixView h) = 0;
  /// Adds h [N,R] p [R,D] to y [N,D] (F32 or BF16).
  virtual void low_rank_expand_add(ConstMatrixView h, ConstMatrixView p, MatrixView y) = 0;
  /// Adds h^T [R,N] x [N,D] to dp [R,D] F32.
  virtual void low_rank_outer_add(ConstMatrixView h, ConstMatrixView x, MatrixView dp) = 0;

  // --- element-wise and small ---

  /// to = from, converting the type, or unpacking. Views may have strides.
  virtual void copy(WeightView from, MatrixView to) = 0;
  /// to [C,R] = from^T [R,C], converting the type.
  virtual void transpose(ConstMatrixView from, MatrixView to) = 0;
  /// Adds alpha * x to y. Types F32 or BF16 each.
  virtual void add(ConstMatrixView x, float alpha, MatrixView y) = 0;
  /// Adds bias [1,O] F32 to every row of y [N,O].
  virtual void add_bias(ConstMatrixView bias, MatrixView y) = 0;
  /// Adds the column sums of dy [N,O] to dbias [1,O] F32.
  virtual void add_bias_backward(ConstMatrixView dy, MatrixView dbias) = 0;
  /// y = x [N,O] with column j times factors[j], factors [1,O] F32; x and y F32 or BF16 each, y may be x.
  virtual void scale_columns(ConstMatrixView x, ConstMatrixView factors, MatrixView y) = 0;
  /// Adds the sums over rows of a * b, element by element, to sums [1,O] F32; a, b [N,O] F32 or BF16 each.
  /// Backward of scale_columns by its factors.
  virtual void add_column_products(ConstMatrixView a, ConstMatrixView b, MatrixView sums) = 0;
  /// y = x masked and divided by 1 - rate; y may be x. Serves forward and backward (then on gradients).
  virtual void dropout(ConstMatrixView x, const DropoutKey& key, MatrixView y) = 0;

  // --- embedding ---

  /// y [N,D] F32 = table[ids]; ids in [0, table.rows).
  virtual void embedding(WeightView table, std::span<const std::int32_t> ids, MatrixView y) = 0;
  /// Adds rows of dy [N,D] F32 to dtable [V,D] F32 at ids.
  virtual void embedding_backward(ConstMatrixView dy, std::span<const std::int32_t> ids,
                                  MatrixView dtable) = 0;

  /// Adds to every element of row i of x [N,D] F32 a draw from [-magnitude[i], magnitude[i]).
  virtual void add_noise(std::span<const float> magnitude, const NoiseKey& key, MatrixView x) = 0;

  // --- norms ---
  // x, y: F32 or BF16, [N,D]. weight, bias: [1,D] F32. Groups: D may hold several groups of weight.cols each,
  // normalised one by one with the same weight (per-head norms of q and k); then D % weight.cols == 0.

  /// y = x / sqrt(mean(x^2) + eps) * weight (Zhang & Sennrich 2019).
  virtual void rms_norm(ConstMatrixView x, ConstMatrixView weight, float eps, MatrixView y) = 0;
  /// dx += or = the gradient by x; adds the gradient by the weight to dweight [1,D] unless that is empty. dy,
  /// dx: F32 or BF16. dx may be dy when not accumulating.
  virtual void rms_norm_backward(ConstMatrixView x, ConstMatrixView weight, float eps, ConstMatrixView dy,
                                 bool accumulate, MatrixView dx, MatrixView dweight) = 0;
  /// y = (x - mean) / sqrt(var + eps) * weight + bias (Ba et al. 2016).
  virtual void layer_norm(ConstMatrixView x, ConstMatrixView weight, ConstMatrixView bias, float eps,
                          MatrixView y) = 0;
  /// As rms_norm_backward; adds to dweight and dbias unless they are empty.
  virtual void layer_norm_backward(ConstMatrixView x, ConstMatrixView weight, float eps, ConstMatrixView dy,
                                   bool accumulate, MatrixView dx, MatrixView dweight, MatrixView dbias) = 0;

  // --- positions and attention ---

  /// Rotates pairs (i, i + head_dim/2) of every head of x [N, heads*head_dim] in place by the angle of its
  /// row's position (Su et al. 2021, in the half-split layout of Hugging Face). cos_sin [P, head_dim] F32:
  /// row p holds head_dim/2 cosines, then head_dim/2 sines. inverse: by the opposite angle, which is the
  /// backward pass.
  virtual void rope(ConstMatrixView cos_sin, std::span<const std::int32_t> positions, Index head_dim,
                    bool inverse, MatrixView x) = 0;

  /// Causal softmax attention within documents. q, out [Nq, heads*head_dim]; k, v [Nk, kv_heads*head_dim]
  /// (F32 or BF16, may be column ranges of one buffer); lse [Nq, heads] F32: log of each softmax denominator,
  /// for the backward pass (may be empty).
  virtual void attention(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v, const Documents& documents,
                         const AttentionShape& shape, MatrixView out, MatrixView lse) = 0;
  /// Overwrites dq, dk, dv (same types as q, k, v). dout has the type of out. Documents with queries == keys
  /// only.
  virtual void attention_backward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                                  ConstMatrixView out, ConstMatrixView lse, ConstMatrixView dout,
                                  const Documents& documents, const AttentionShape& shape, MatrixView dq,
                                  MatrixView dk, MatrixView dv) = 0;

  // --- activations ---

  /// y = silu(gate) * up (Shazeer 2020). All the compute type.
  virtual void swiglu(ConstMatrixView gate, ConstMatrixView up, MatrixView y) = 0;
  /// dgate and dup from dy; each may be one of gate, up and dy (in place), not
  /// the same.
  virtual void swiglu_backward(ConstMatrixView gate, ConstMatrixView up, ConstMatrixView dy, MatrixView dgate,
                               MatrixView dup) = 0;
  /// y = 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): GPT-2's "gelu_new" (Hendrycks & Gimpel 2016).
  virtual void gelu_tanh(ConstMatrixView x, MatrixView y) = 0;
  /// dx may be dy or x.
  virtual void gelu_tanh_backward(ConstMatrixView x, ConstMatrixView dy, MatrixView dx) = 0;

  // --- loss ---

  /// Sum over rows of -sum_j q_j log softmax(logits)_j, in nats; q is 1 - label_smoothing at the row's
  /// target, and label_smoothing / V is added everywhere. Rows with target < 0 add nothing. logits [N,V] F32
  /// are replaced by gradient_scale * (softmax - q) (zero rows where target < 0) if with_gradient.
  virtual double cross_entropy(MatrixView logits, std::span<const std::int32_t> targets,
                               const CrossEntropyOptions& options) = 0;

  // --- optimiser ---

  /// Sum of squares of all elements; the same for every number of threads.
  virtual double sum_of_squares(ConstMatrixView x) = 0;
  /// One AdamW update of weight (F32, contiguous) from gradient, first and second moments (F32, same shape),
  /// as torch.optim.AdamW does it.
  virtual void adamw(ConstMatrixView gradient, const AdamWOptions& options, MatrixView weight,
                     MatrixView first_moment, MatrixView second_moment) = 0;
  /// The same with moments of 8 bits (Dettmers et al. 2021, arXiv:2110.02861): each block is read, updated in
  /// float32 with its weights, and rounded to the nearest code again. first: the signed map, second: the
  /// unsigned one, in which what is above 0 stays above 0.
  virtual void adamw_8bit(ConstMatrixView gradient, const AdamWOptions& options, MatrixView weight,
                          Quantized first_moment, Quantized second_moment) = 0;
  /// One update as torch.optim.SGD with dampening 0 does it. momentum: F32, or empty where options.momentum
  /// is 0.
  virtual void sgd(ConstMatrixView gradient, const SgdOptions& options, MatrixView weight,
                   MatrixView momentum) = 0;
  /// One update of Lion (Chen et al. 2023, arXiv:2302.06675, algorithm 2). mean: F32.
  virtual void lion(ConstMatrixView gradient, const LionOptions& options, MatrixView weight,
                    MatrixView mean) = 0;
};

/// The CPU implementation: oneDNN matrix products, Highway kernels chosen at run time, OpenMP threads.
/// threads 0: all.
std::unique_ptr<Ops> make_cpu_ops(Index threads = 0);

}  // namespace lorry::ops
