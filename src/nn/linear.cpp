#include "nn/linear.hpp"

#include <algorithm>
#include <utility>

namespace lorry::nn {

Linear::Linear(std::string name, Index number, Weights weights)
    : name_(std::move(name)), number_(number), own_(weights), weights_(weights) {
  if (!weights_.bias.empty()) LORRY_CHECK_EQ(weights_.bias.cols, outputs());
}

Index Linear::inputs() const noexcept {
  return weights_.inputs_by_outputs ? weights_.matrix.rows : weights_.matrix.cols;
}

Index Linear::outputs() const noexcept {
  return weights_.inputs_by_outputs ? weights_.matrix.cols : weights_.matrix.rows;
}

bool Linear::trains() const noexcept {
  const bool update_trains = std::any_of(updates_.begin(), updates_.end(), [](const PlacedUpdate& placed) {
    return !placed.update->a_gradient.empty();
  });
  const bool rows_train = token_rows_ != nullptr && token_rows_->trains();
  return update_trains || rows_train || !gradients_.matrix.empty() || !gradients_.bias.empty();
}

void Linear::set_copies(ConstMatrixView matrix, ConstMatrixView bias) {
  weights_ = own_;
  if (!matrix.empty()) {
    LORRY_CHECK(matrix.rows == own_.matrix.rows && matrix.cols == own_.matrix.cols);
    weights_.matrix = matrix;
    weights_.at_rest = matrix;
  }
  if (!bias.empty()) {
    LORRY_CHECK_EQ(bias.cols, own_.bias.cols);
    weights_.bias = bias;
  }
}

void Linear::set_token_rows(TokenRows* rows) {
  if (rows != nullptr) {
    LORRY_CHECK(!weights_.inputs_by_outputs && weights_.bias.empty());
    LORRY_CHECK_EQ(rows->value.cols(), inputs());
  }
  token_rows_ = rows;
}

void Linear::set_update(LowRankUpdate* update) {
  updates_.clear();
  if (update == nullptr) return;
  LORRY_CHECK_EQ(update->b_transposed.cols(), outputs());
  add_update(update, 0);
}

void Linear::add_update(LowRankUpdate* update, Index first_output) {
  LORRY_CHECK_EQ(update->a.cols(), inputs());
  LORRY_CHECK_EQ(update->a.rows(), update->rank);
  LORRY_CHECK_EQ(update->b_transposed.rows(), update->rank);
  if (!update->bias.empty()) LORRY_CHECK_EQ(update->bias.cols(), update->b_transposed.cols());
  LORRY_CHECK(first_output >= 0 && first_output + update->b_transposed.cols() <= outputs());
  // DoRA stretches the whole map, so it goes with no other update.
  LORRY_CHECK(!is_dora());
  if (!update->magnitude.empty()) {
    LORRY_CHECK(updates_.empty());
    LORRY_CHECK_EQ(update->magnitude.cols(), outputs());
  }
  updates_.push_back({update, first_output, total_rank()});
}

Index Linear::total_rank() const noexcept {
  return updates_.empty() ? 0 : updates_.back().first_rank + updates_.back().update->rank;
}

ops::DropoutKey Linear::dropout_key(const Context& context, const LowRankUpdate& update) const {
  constexpr int kNumberBits = 20;  // more linear maps than any model has
  constexpr int kChunkBit = 52;    // above 2^32 micro-steps
  const auto number = static_cast<std::uint64_t>(number_);
  const std::uint64_t stream = (context.chunk << kChunkBit) | (context.micro_step << kNumberBits) | number;
  return {update.dropout, context.dropout_seed, stream};
}

ConstMatrixView Linear::update_input(const Context& context, const LowRankUpdate& update, ConstMatrixView x,
                                     Scratch& scratch) const {
  if (!update.drops(context)) return x;
  scratch.dropped.reshape(x.rows, x.cols, x.dtype);
  context.ops.dropout(x, dropout_key(context, update), scratch.dropped);
  return scratch.dropped;
}

namespace {

ops::Integers forward_integers(const Context& context) {
  if (context.decodes_in_integers) return ops::Integers::kDots;
  return context.int8 == Int8Products::kNone ? ops::Integers::kNone : ops::Integers::kTiles;
}

}  // namespace

void Linear::multiply(const Context& context, ConstMatrixView x, bool accumulate, MatrixView y,
                      std::span<const ops::LowRankTerm> plus) const {
  context.ops.matmul(x, weights_.matrix, y,
                     {.transpose_b = !weights_.inputs_by_outputs,
                      .accumulate = accumulate,
                      .integers = forward_integers(context),
                      .plus = plus});
}

void Linear::multiply_back(const Context& context, ConstMatrixView dy, bool accumulate, MatrixView dx,
                           std::span<const ops::LowRankTerm> plus) const {
  context.ops.matmul(dy, weights_.matrix, dx,
                     {.transpose_b = weights_.inputs_by_outputs,
                      .accumulate = accumulate,
                      .integers = context.int8 == Int8Products::kForwardAndBackward ? ops::Integers::kTiles
                                                                                    : ops::Integers::kNone,
                      .plus = plus});
}

bool Linear::updates_are_whole() const {
  return token_rows_ == nullptr &&
         std::all_of(updates_.begin(), updates_.end(), [this](const PlacedUpdate& placed) {
           return placed.update->b_transposed.cols() == outputs();
         });
}

void Linear::forward(const Context& context, ConstMatrixView x, bool accumulate, Cache& cache,
                     Scratch& scratch, MatrixView y) const {
  LORRY_CHECK(token_rows_ == nullptr || !is_dora());
  if (is_dora()) return forward_dora(context, x, accumulate, cache, scratch, y);
  ops::Ops& ops = context.ops;
  fill_cache(context, x, cache, scratch);
  std::vector<ops::LowRankTerm> terms;
  for (const PlacedUpdate& placed : updates_) {
    terms.push_back({placed.columns(cache.h.view()), placed.update->b_transposed});
  }
  const bool along = updates_are_whole();
  multiply(context, x, accumulate, y,
           along ? std::span(std::as_const(terms)) : std::span<const ops::LowRankTerm>());
  if (!weights_.bias.empty()) ops.add_bias(weights_.bias, y);
  if (token_rows_ != nullptr) {
    LORRY_CHECK(!accumulate);
    token_rows_->project(ops, x, y);
  }
  for (std::size_t i = 0; i < updates_.size(); ++i) {
    const LowRankUpdate& update = *updates_[i].update;
    const MatrixView outputs = y.col_range(updates_[i].first_output, update.b_transposed.cols());
    if (!along) ops.low_rank_expand_add(terms[i].h, terms[i].p, outputs);
    if (!update.bias.empty()) add_update_bias(context, update, scratch, outputs);
  }
}

void Linear::fill_cache(const Context& context, ConstMatrixView x, Cache& cache, Scratch& scratch) const {
  if (updates_.empty()) return;
  cache.h.reshape(x.rows, total_rank(), DType::kF32);
  for (const PlacedUpdate& placed : updates_) {
    const LowRankUpdate& update = *placed.update;
    context.ops.low_rank_project(update_input(context, update, x, scratch), update.a, update.scale,
                                 placed.columns(cache.h.view()));
  }
}

void Linear::add_update_bias(const Context& context, const LowRankUpdate& update, Scratch& scratch,
                             MatrixView y) {
  scratch.bias.reshape(1, y.cols, DType::kF32);
  scratch.bias.fill_zero();
  context.ops.add(update.bias, update.scale, scratch.bias);
  context.ops.add_bias(scratch.bias, y);
}

void Linear::backward(const Context& context, ConstMatrixView x, ConstMatrixView dy, const Cache& cache,
                      bool accumulate, Scratch& scratch, MatrixView dx) const {
  backward_weights(context, x, dy);
  if (is_dora()) return backward_dora(context, x, dy, cache, accumulate, scratch, dx);
  if (!updates_.empty()) scratch.dh.reshape(x.rows, total_rank(), DType::kF32);
  std::vector<ops::LowRankTerm> terms;
  for (const PlacedUpdate& placed : updates_) {
    LowRankUpdate& update = *placed.update;
    const MatrixView dh = placed.columns(scratch.dh.view());
    backward_update(context, update, x, placed.columns(cache.h.view()),
                    dy.col_range(placed.first_output, update.b_transposed.cols()), dh, scratch);
    if (!update.drops(context)) terms.push_back({dh, update.a});
  }
  if (!dx.empty()) multiply_back(context, dy, accumulate, dx, terms);
  if (token_rows_ != nullptr) token_rows_->project_backward(context.ops, x, dy, weights_.matrix, dx);
  if (dx.empty()) return;
  for (const PlacedUpdate& placed : updates_) {
    if (!placed.update->drops(context)) continue;
    add_masked_dx(context, *placed.update, placed.columns(scratch.dh.view()), scratch, dx);
  }
}

void Linear::backward_weights(const Context& context, ConstMatrixView x, ConstMatrixView dy) const {
  if (!gradients_.bias.empty()) context.ops.add_bias_backward(dy, gradients_.bias);
  if (gradients_.matrix.empty()) return;
  const bool swap = weights_.inputs_by_outputs;
  context.ops.matmul(swap ? x : dy, swap ? dy : x, gradients_.matrix,
                     {.transpose_a = true, .accumulate = true});
}

void Linear::backward_update(const Context& context, LowRankUpdate& update, ConstMatrixView x,
                             ConstMatrixView h, ConstMatrixView dy, MatrixView dh, Scratch& scratch) const {
  ops::Ops& ops = context.ops;
  ops.low_rank_project(dy, update.b_transposed, update.scale, dh);
  if (!update.a_gradient.empty()) {
    ops.low_rank_outer_add(h, dy, update.b_gradient);
    ops.low_rank_outer_add(dh, update_input(context, update, x, scratch), update.a_gradient);
  }
  if (update.bias_gradient.empty()) return;
  scratch.bias.reshape(1, dy.cols, DType::kF32);
  scratch.bias.fill_zero();
  ops.add_bias_backward(dy, scratch.bias);
  ops.add(scratch.bias, update.scale, update.bias_gradient);
}

void Linear::add_masked_dx(const Context& context, const LowRankUpdate& update, ConstMatrixView dh,
                           Scratch& scratch, MatrixView dx) const {
  ops::Ops& ops = context.ops;
  scratch.dx.reshape(dx.rows, dx.cols, DType::kF32);
  scratch.dx.fill_zero();
  ops.low_rank_expand_add(dh, update.a, scratch.dx);
  ops.dropout(scratch.dx, dropout_key(context, update), scratch.dx);
  ops.add(scratch.dx, 1.0F, dx);
}

}  // namespace lorry::nn
