// nn/attention.hpp: causal self-attention with its four projections.
#pragma once
#include <optional>
#include <vector>

#include "nn/linear.hpp"
#include "nn/norm.hpp"

namespace lorry::nn {

/// Rows and positions of one packed micro-batch.
struct Sequence {
  std::span<const std::int32_t> positions;  // [N], restarting at every document without a parent
  std::span<const Index> offsets;           // documents own rows [offsets[d], offsets[d+1])
  std::span<const Index> parents = {};      // of documents, as in ops::Documents

  [[nodiscard]] ops::Documents documents() const { return {offsets, offsets, parents}; }
};

/// Keys and values of earlier tokens, for generation. Which rows are whose is the owner's to know.
struct KeyValueCache {
  Matrix keys;    // [rows, kv_heads*head_dim], compute type, rotated
  Matrix values;  // same shape
};

/// New rows of texts under generation. The last keys of a document are those of its queries: this is where
/// the new ones belong.
struct Extension {
  std::span<const std::int32_t> positions;  // [N]
  ops::Documents documents;                 // queries: rows of x; keys: rows of the cache
};

/// y += o_proj(attention(q_proj(x), k_proj(x), v_proj(x))).
/// Legend: N rows, D hidden size, Q = heads*head_dim, K = kv_heads*head_dim.
class SelfAttention {
 public:
  /// The projections that make q, k and v, in the order of their columns in one [N, Q+2K] buffer: three maps,
  /// or the one fused map of GPT-2.
  struct Parts {
    std::vector<Linear> qkv;
    Linear output;
    std::optional<Norm> q_norm;  // per head, before rotation (Qwen3)
    std::optional<Norm> k_norm;
  };
  struct Cache {
    Matrix qkv;     // [N, Q+2K] as attention reads it: normed and rotated
    Matrix qk_raw;  // [N, Q+K] before q_norm and k_norm; empty without them
    Matrix out;     // [N, Q] what o_proj reads
    Matrix lse;     // [N, heads] F32
    std::vector<Linear::Cache> qkv_update;
    Linear::Cache output_update;
  };
  struct Scratch {
    Matrix d_out;  // [N, Q]
    Matrix d_qkv;  // [N, Q+2K]
    Linear::Scratch linear;
  };

  SelfAttention() = default;
  SelfAttention(Parts parts, ops::AttentionShape shape);

  /// Every linear map, in order; the one list that adapters, gradients and counts go through.
  [[nodiscard]] std::vector<Linear*> linears();
  [[nodiscard]] Parts& parts() noexcept { return parts_; }
  [[nodiscard]] bool trains() const;

  /// Adds to y [N,D] F32. x [N,D] has the compute type. rope: table of nn/rope_table.hpp, or empty for
  /// learned positions.
  void forward(const Context& context, ConstMatrixView x, ConstMatrixView rope, const Sequence& sequence,
               Cache& cache, Scratch& scratch, MatrixView y) const;
  /// dy [N,D] has the compute type; dx [N,D] F32 is overwritten, or skipped when empty.
  void backward(const Context& context, ConstMatrixView x, ConstMatrixView rope, const Sequence& sequence,
                ConstMatrixView dy, const Cache& cache, Scratch& scratch, MatrixView dx) const;
  /// As forward for new tokens of texts whose earlier keys and values are in `past`, where the new ones are
  /// put.
  void forward_cached(const Context& context, ConstMatrixView x, ConstMatrixView rope,
                      const Extension& extension, KeyValueCache& past, Cache& cache, Scratch& scratch,
                      MatrixView y) const;

 private:
  [[nodiscard]] Index q_width() const { return shape_.heads * shape_.head_dim; }
  [[nodiscard]] Index k_width() const { return shape_.kv_heads * shape_.head_dim; }
  /// Fills cache.qkv from x.
  void project(const Context& context, ConstMatrixView x, ConstMatrixView rope,
               std::span<const std::int32_t> positions, Cache& cache, Scratch& scratch) const;

  Parts parts_;
  ops::AttentionShape shape_;
};

}  // namespace lorry::nn
