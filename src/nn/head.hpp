// nn/head.hpp: the output projection and its loss, a chunk of rows at a time: logits of a whole batch never
// exist.
#pragma once
#include <span>
#include <vector>

#include "nn/linear.hpp"

namespace lorry::nn {

struct LossOptions {
  float gradient_scale = 1.0F;
  float label_smoothing = 0.0F;  // as in ops::CrossEntropyOptions
};

/// Legend: N rows, D hidden size, V vocabulary.
class LossHead {
 public:
  struct Scratch {
    Matrix x;         // [chunk, D] rows that have a target
    Matrix logits;    // [chunk, V] F32
    Matrix d_logits;  // [chunk, V] in the compute type, where that is not F32
    Matrix dx;        // [chunk, D] F32
    Linear::Cache update;
    Linear::Scratch linear;
  };

  LossHead() = default;
  explicit LossHead(Linear linear) : linear_(std::move(linear)) {}

  /// Rows of a chunk: logits of a chunk stay near 64 MiB, but for vocabularies where that would be too few
  /// rows.
  static Index chunk_rows(Index vocabulary);
  /// A chunk that is not full has the rows that it needs, rounded up to a step of rows.
  static Index whole_steps(Index rows);

  [[nodiscard]] Linear& linear() noexcept { return linear_; }
  [[nodiscard]] const Linear& linear() const noexcept { return linear_; }

  /// Sum over rows with target >= 0 of -log p(target), in nats. x [N,D] has the compute type.
  double loss(const Context& context, ConstMatrixView x, std::span<const std::int32_t> targets,
              Scratch& scratch) const;
  /// The same, or with smoothed labels; dx [N,D] F32 is overwritten with gradient_scale * d(loss)/dx (zero
  /// rows without a target), and the head's own gradients are added to where it trains. dx may be empty.
  double loss_and_gradient(const Context& context, ConstMatrixView x, std::span<const std::int32_t> targets,
                           const LossOptions& options, Scratch& scratch, MatrixView dx) const;

 private:
  double chunk_loss(const Context& context, ConstMatrixView x, std::span<const std::int32_t> targets,
                    const ops::CrossEntropyOptions& options, Scratch& scratch, MatrixView dx) const;
  double run(const Context& context, ConstMatrixView x, std::span<const std::int32_t> targets,
             const ops::CrossEntropyOptions& options, Scratch& scratch, MatrixView dx) const;

  Linear linear_;
};

}  // namespace lorry::nn
