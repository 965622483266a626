// model/block.hpp: one decoder block: x + attention(norm(x)), then + mlp(norm(that)).
#pragma once
#include "nn/attention.hpp"
#include "nn/mlp.hpp"
#include "nn/norm.hpp"

namespace lorry::model {

/// Legend: N rows, D hidden size. The residual stream x [N,D] is F32 throughout.
class Block {
 public:
  struct Cache {
    Matrix x_mid;  // [N,D] F32, between attention and mlp
    nn::SelfAttention::Cache attention;
    nn::Mlp::Cache mlp;
  };
  /// Shared by all blocks.
  struct Scratch {
    Matrix normed;    // [N,D] compute type
    Matrix d_normed;  // [N,D] F32
    Matrix dy;        // [N,D] compute type: the residual gradient as matrix products read it
    nn::SelfAttention::Scratch attention;
    nn::Mlp::Scratch mlp;
  };

  Block(nn::Norm attention_norm, nn::SelfAttention attention, nn::Norm mlp_norm, nn::Mlp mlp);

  [[nodiscard]] std::vector<nn::Linear*> linears();
  [[nodiscard]] bool trains() const { return attention_part_trains() || mlp_norm_.trains() || mlp_.trains(); }
  nn::Norm& attention_norm() noexcept { return attention_norm_; }
  nn::Norm& mlp_norm() noexcept { return mlp_norm_; }
  nn::SelfAttention& attention() noexcept { return attention_; }

  /// y [N,D] is overwritten; must not be x. It may be empty: then only what backward reads is computed.
  void forward(const nn::Context& context, ConstMatrixView x, ConstMatrixView rope,
               const nn::Sequence& sequence, Cache& cache, Scratch& scratch, MatrixView y) const;
  /// d_x [N,D] F32 holds the gradient by y on entry and by x on return, unless `below` is false: nothing
  /// under this block trains, so the work for it is left out and d_x is then stale.
  void backward(const nn::Context& context, ConstMatrixView x, ConstMatrixView rope,
                const nn::Sequence& sequence, const Cache& cache, bool below, Scratch& scratch,
                MatrixView d_x) const;
  /// forward for new tokens of texts behind `past`.
  void forward_cached(const nn::Context& context, ConstMatrixView x, ConstMatrixView rope,
                      const nn::Extension& extension, nn::KeyValueCache& past, Cache& cache, Scratch& scratch,
                      MatrixView y) const;

 private:
  [[nodiscard]] bool attention_part_trains() const { return attention_norm_.trains() || attention_.trains(); }
  void start(const nn::Context& context, ConstMatrixView x, Cache& cache, Scratch& scratch) const;
  void finish(const nn::Context& context, Cache& cache, Scratch& scratch, MatrixView y) const;

  nn::Norm attention_norm_;
  nn::SelfAttention attention_;
  nn::Norm mlp_norm_;
  nn::Mlp mlp_;
};

}  // namespace lorry::model
