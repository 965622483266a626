// ops/cpu/cpu_ops.hpp: the operator contract on the CPU. Each method is one call of the function of its name
// in the neighbouring files, which also hold the documentation.
#pragma once
#include "ops/cpu/matmul.hpp"
#include "ops/ops.hpp"

namespace lorry::ops::cpu {

/// Calls from several threads are allowed on different outputs.
class CpuOps final : public Ops {
 public:
  /// threads 0: as many as the machine has cores.
  explicit CpuOps(Index threads);

  [[nodiscard]] std::string description() const override;
  [[nodiscard]] bool fast_bf16() const override;

  void matmul(ConstMatrixView a, WeightView b, MatrixView c, MatmulOptions options) override;
  [[nodiscard]] Index product_bytes(const ProductSizes& sizes) const override;
  void low_rank_project(ConstMatrixView x, ConstMatrixView p, float scale, MatrixView h) override;
  void low_rank_expand_add(ConstMatrixView h, ConstMatrixView p, MatrixView y) override;
  void low_rank_outer_add(ConstMatrixView h, ConstMatrixView x, MatrixView dp) override;
  void copy(WeightView from, MatrixView to) override;
  void transpose(ConstMatrixView from, MatrixView to) override;
  void add(ConstMatrixView x, float alpha, MatrixView y) override;
  void add_bias(ConstMatrixView bias, MatrixView y) override;
  void add_bias_backward(ConstMatrixView dy, MatrixView dbias) override;
  void scale_columns(ConstMatrixView x, ConstMatrixView factors, MatrixView y) override;
  void add_column_products(ConstMatrixView a, ConstMatrixView b, MatrixView sums) override;
  void dropout(ConstMatrixView x, const DropoutKey& key, MatrixView y) override;
  void embedding(WeightView table, std::span<const std::int32_t> ids, MatrixView y) override;
  void embedding_backward(ConstMatrixView dy, std::span<const std::int32_t> ids, MatrixView dtable) override;
  void add_noise(std::span<const float> magnitude, const NoiseKey& key, MatrixView x) override;
  void rms_norm(ConstMatrixView x, ConstMatrixView weight, float eps, MatrixView y) override;
  void rms_norm_backward(ConstMatrixView x, ConstMatrixView weight, float eps, ConstMatrixView dy,
                         bool accumulate, MatrixView dx, MatrixView dweight) override;
  void layer_norm(ConstMatrixView x, ConstMatrixView weight, ConstMatrixView bias, float eps,
                  MatrixView y) override;
  void layer_norm_backward(ConstMatrixView x, ConstMatrixView weight, float eps, ConstMatrixView dy,
                           bool accumulate, MatrixView dx, MatrixView dweight, MatrixView dbias) override;
  void rope(ConstMatrixView cos_sin, std::span<const std::int32_t> positions, Index head_dim, bool inverse,
            MatrixView x) override;
  void attention(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v, const Documents& documents,
                 const AttentionShape& shape, MatrixView out, MatrixView lse) override;
  void attention_backward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v, ConstMatrixView out,
                          ConstMatrixView lse, ConstMatrixView dout, const Documents& documents,
                          const AttentionShape& shape, MatrixView dq, MatrixView dk, MatrixView dv) override;
  void swiglu(ConstMatrixView gate, ConstMatrixView up, MatrixView y) override;
  void swiglu_backward(ConstMatrixView gate, ConstMatrixView up, ConstMatrixView dy, MatrixView dgate,
                       MatrixView dup) override;
  void gelu_tanh(ConstMatrixView x, MatrixView y) override;
  void gelu_tanh_backward(ConstMatrixView x, ConstMatrixView dy, MatrixView dx) override;
  double cross_entropy(MatrixView logits, std::span<const std::int32_t> targets,
                       const CrossEntropyOptions& options) override;
  double sum_of_squares(ConstMatrixView x) override;
  void adamw(ConstMatrixView gradient, const AdamWOptions& options, MatrixView weight,
             MatrixView first_moment, MatrixView second_moment) override;
  void adamw_8bit(ConstMatrixView gradient, const AdamWOptions& options, MatrixView weight,
                  Quantized first_moment, Quantized second_moment) override;
  void sgd(ConstMatrixView gradient, const SgdOptions& options, MatrixView weight,
           MatrixView momentum) override;
  void lion(ConstMatrixView gradient, const LionOptions& options, MatrixView weight,
            MatrixView mean) override;

 private:
  /// Makes OpenMP, and with it oneDNN, use threads_ on the calling thread. OpenMP keeps that number per
  /// thread, and another CpuOps may have set another one in between.
  void enter() const;

  int threads_;
  Matmul matmul_;
};

}  // namespace lorry::ops::cpu
