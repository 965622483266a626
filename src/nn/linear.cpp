#include "nn/linear.hpp"

#include <utility>

namespace lorry::nn {

Linear::Linear(std::string name, Index number, Weights weights)
    : name_(std::move(name)), number_(number), weights_(weights) {
  if (!weights_.bias.empty()) LORRY_CHECK_EQ(weights_.bias.cols, outputs());
}

Index Linear::inputs() const noexcept {
  return weights_.inputs_by_outputs ? weights_.matrix.rows : weights_.matrix.cols;
}

Index Linear::outputs() const noexcept {
  return weights_.inputs_by_outputs ? weights_.matrix.cols : weights_.matrix.rows;
}

bool Linear::trains() const noexcept {
  return (update_ != nullptr && !update_->a_gradient.empty()) || !gradients_.matrix.empty() ||
         !gradients_.bias.empty();
}

void Linear::set_update(LowRankUpdate* update) {
  if (update != nullptr) {
    LORRY_CHECK_EQ(update->a.cols(), inputs());
    LORRY_CHECK_EQ(update->b_transposed.cols(), outputs());
    LORRY_CHECK_EQ(update->a.rows(), update->rank);
    LORRY_CHECK_EQ(update->b_transposed.rows(), update->rank);
  }
  update_ = update;
}

bool Linear::drops(const Context& context) const {
  return context.training && update_->dropout > 0.0F;
}

ops::DropoutKey Linear::dropout_key(const Context& context) const {
  constexpr int kNumberBits = 20;  // more linear maps than any model has
  constexpr int kChunkBit = 52;    // above 2^32 micro-steps
  const auto number = static_cast<std::uint64_t>(number_);
  const std::uint64_t stream = (context.chunk << kChunkBit) | (context.micro_step << kNumberBits) | number;
  return {update_->dropout, context.dropout_seed, stream};
}

ConstMatrixView Linear::update_input(const Context& context, ConstMatrixView x, Scratch& scratch) const {
  if (!drops(context)) return x;
  scratch.dropped.reshape(x.rows, x.cols, x.dtype);
  context.ops.dropout(x, dropout_key(context), scratch.dropped);
  return scratch.dropped;
}

void Linear::forward(const Context& context, ConstMatrixView x, bool accumulate, Cache& cache,
                     Scratch& scratch, MatrixView y) const {
  ops::Ops& ops = context.ops;
  ops.matmul(x, weights_.matrix, y, {.transpose_b = !weights_.inputs_by_outputs, .accumulate = accumulate});
  if (!weights_.bias.empty()) ops.add_bias(weights_.bias, y);
  if (update_ == nullptr) return;
  cache.h.reshape(x.rows, update_->rank, DType::kF32);
  ops.low_rank_project(update_input(context, x, scratch), update_->a, update_->scale, cache.h);
  ops.low_rank_expand_add(cache.h, update_->b_transposed, y);
}

void Linear::backward(const Context& context, ConstMatrixView x, ConstMatrixView dy, const Cache& cache,
                      bool accumulate, Scratch& scratch, MatrixView dx) const {
  ops::Ops& ops = context.ops;
  if (!dx.empty()) {
    ops.matmul(dy, weights_.matrix, dx,
               {.transpose_b = weights_.inputs_by_outputs, .accumulate = accumulate});
  }
  if (!gradients_.bias.empty()) ops.add_bias_backward(dy, gradients_.bias);
  if (!gradients_.matrix.empty()) {
    const bool swap = weights_.inputs_by_outputs;
    ops.matmul(swap ? x : dy, swap ? dy : x, gradients_.matrix, {.transpose_a = true, .accumulate = true});
  }
  if (update_ == nullptr) return;
  scratch.dh.reshape(x.rows, update_->rank, DType::kF32);
  ops.low_rank_project(dy, update_->b_transposed, update_->scale, scratch.dh);
  if (!update_->a_gradient.empty()) {
    ops.low_rank_outer_add(cache.h, dy, update_->b_gradient);
    ops.low_rank_outer_add(scratch.dh, update_input(context, x, scratch), update_->a_gradient);
  }
  if (dx.empty()) return;
  if (!drops(context)) {
    ops.low_rank_expand_add(scratch.dh, update_->a, dx);
    return;
  }
  scratch.dx.reshape(dx.rows, dx.cols, DType::kF32);
  scratch.dx.fill_zero();
  ops.low_rank_expand_add(scratch.dh, update_->a, scratch.dx);
  ops.dropout(scratch.dx, dropout_key(context), scratch.dx);
  ops.add(scratch.dx, 1.0F, dx);
}

}  // namespace lorry::nn
