// DoRA (Liu et al. 2024, arXiv:2402.09353): the rows of W + delta W give directions, and a trained magnitude
// their lengths. As PEFT computes it: the norms are constants to backward (section 4.3 there), and what
// dropout takes from A's input it takes from W's too, but for a plain x W^T:
//
//     g = magnitude / norm,   z = x' (W + delta W)^T,   x' = dropout(x)
//     y = g z + bias,                              without dropout
//     y = x W^T + bias + g z - x' W^T,             with it
//
// g and norm [1,O] go with the columns of z [N,O]. Backward is derived in docs/math/dora.md.
#include <algorithm>
#include <cmath>

#include "nn/linear.hpp"

namespace lorry::nn {

namespace {

constexpr Index kPanelBytes = Index{4} << 20;  // of W + delta W in F32, formed at once

/// Panel rows [first, first + n) of the stored W + delta W, which is scale * left^T right more than W.
void form_panel(ops::Ops& ops, WeightView weight, const LowRankUpdate& update, bool inputs_by_outputs,
                Index first, Matrix& h, Matrix& panel) {
  const ConstMatrixView left = inputs_by_outputs ? update.a : update.b_transposed;
  const ConstMatrixView right = inputs_by_outputs ? update.b_transposed : update.a;
  h.reshape(panel.rows(), update.rank, DType::kF32);
  ops.copy(weight.row_range(first, panel.rows()), panel);
  ops.transpose(left.col_range(first, panel.rows()), h);
  float* const begin = h.row<float>(0);
  std::transform(begin, begin + h.size(), begin, [&](float value) { return value * update.scale; });
  ops.low_rank_expand_add(h, right, panel);
}

/// A row of zeros has no direction to stretch, and stays as it is.
void divide(ConstMatrixView above, ConstMatrixView below, float otherwise, MatrixView to) {
  for (Index j = 0; j < to.cols; ++j) {
    const float divisor = below.row<float>(0)[j];
    to.row<float>(0)[j] = divisor > 0.0F ? above.row<float>(0)[j] / divisor : otherwise;
  }
}

}  // namespace

void Linear::renew_norm(ops::Ops& ops) const {
  if (!is_dora()) return;
  LowRankUpdate& update = *updates_.front().update;
  const WeightView weight = weights_.matrix;
  const bool turned = weights_.inputs_by_outputs;
  update.norm.reshape(1, outputs(), DType::kF32);
  update.norm.fill_zero();
  float* const norm = update.norm.row<float>(0);
  const Index rows_at_once =
      std::clamp<Index>(kPanelBytes / (weight.cols * size_of(DType::kF32)), 1, weight.rows);
  Matrix h;
  Matrix panel;
  for (Index first = 0; first < weight.rows; first += rows_at_once) {
    panel.reshape(std::min(rows_at_once, weight.rows - first), weight.cols, DType::kF32);
    form_panel(ops, weight, update, turned, first, h, panel);
    if (turned) {
      ops.add_column_products(panel, panel, update.norm);
      continue;
    }
    for (Index i = 0; i < panel.rows(); ++i) {
      norm[first + i] = static_cast<float>(ops.sum_of_squares(panel.view().row_range(i, 1)));
    }
  }
  std::transform(norm, norm + outputs(), norm, [](float square) { return std::sqrt(square); });
}

void Linear::project_dora(const Context& context, ConstMatrixView input, ConstMatrixView h,
                          Scratch& scratch) const {
  const LowRankUpdate& update = *updates_.front().update;
  scratch.z.reshape(input.rows, outputs(), DType::kF32);
  const ops::LowRankTerm term = {h, update.b_transposed};
  multiply(context, input, false, scratch.z, {&term, 1});
}

void Linear::forward_dora(const Context& context, ConstMatrixView x, bool accumulate, Cache& cache,
                          Scratch& scratch, MatrixView y) const {
  ops::Ops& ops = context.ops;
  const LowRankUpdate& update = *updates_.front().update;
  LORRY_CHECK_EQ(update.norm.cols(), outputs());
  const ConstMatrixView input = update_input(context, update, x, scratch);
  cache.h.reshape(x.rows, update.rank, DType::kF32);
  ops.low_rank_project(input, update.a, update.scale, cache.h);
  scratch.factor.reshape(1, outputs(), DType::kF32);
  divide(update.magnitude, update.norm, 1.0F, scratch.factor);
  if (update.drops(context)) {
    multiply(context, x, accumulate, y);
    scratch.z.reshape(x.rows, outputs(), DType::kF32);
    multiply(context, input, false, scratch.z);
    ops.add(scratch.z, -1.0F, y);
    ops.low_rank_expand_add(cache.h, update.b_transposed, scratch.z);
  } else {
    project_dora(context, input, cache.h, scratch);
  }
  ops.scale_columns(scratch.z, scratch.factor, scratch.z);
  if (!weights_.bias.empty()) ops.add_bias(weights_.bias, scratch.z);
  if (accumulate || update.drops(context)) {
    ops.add(scratch.z, 1.0F, y);
  } else {
    ops.copy(scratch.z, y);
  }
}

void Linear::backward_dora(const Context& context, ConstMatrixView x, ConstMatrixView dy, const Cache& cache,
                           bool accumulate, Scratch& scratch, MatrixView dx) const {
  ops::Ops& ops = context.ops;
  LowRankUpdate& update = *updates_.front().update;
  const bool drops = update.drops(context);
  const ConstMatrixView input = update_input(context, update, x, scratch);
  scratch.factor.reshape(1, outputs(), DType::kF32);
  divide(update.magnitude, update.norm, 1.0F, scratch.factor);
  scratch.factored_dy.reshape(dy.rows, dy.cols, dy.dtype);
  ops.scale_columns(dy, scratch.factor, scratch.factored_dy);
  scratch.dh.reshape(x.rows, update.rank, DType::kF32);
  ops.low_rank_project(scratch.factored_dy, update.b_transposed, update.scale, scratch.dh);
  if (!update.magnitude_gradient.empty()) {
    project_dora(context, input, cache.h, scratch);
    scratch.sums.reshape(1, outputs(), DType::kF32);
    scratch.sums.fill_zero();
    ops.add_column_products(dy, scratch.z, scratch.sums);
    divide(scratch.sums, update.norm, 0.0F, scratch.sums);
    ops.add(scratch.sums, 1.0F, update.magnitude_gradient);
    ops.low_rank_outer_add(cache.h, scratch.factored_dy, update.b_gradient);
    ops.low_rank_outer_add(scratch.dh, input, update.a_gradient);
  }
  if (dx.empty()) return;
  const ops::LowRankTerm through_a = {scratch.dh, update.a};
  if (!drops) return multiply_back(context, scratch.factored_dy, accumulate, dx, {&through_a, 1});
  multiply_back(context, dy, accumulate, dx);
  scratch.rest_dy.reshape(dy.rows, dy.cols, dy.dtype);
  ops.copy(scratch.factored_dy, scratch.rest_dy);
  ops.add(dy, -1.0F, scratch.rest_dy);
  scratch.dx.reshape(dx.rows, dx.cols, DType::kF32);
  multiply_back(context, scratch.rest_dy, false, scratch.dx, {&through_a, 1});
  ops.dropout(scratch.dx, dropout_key(context, update), scratch.dx);
  ops.add(scratch.dx, 1.0F, dx);
}

}  // namespace lorry::nn
