#include "nn/head.hpp"

#include <algorithm>

namespace lorry::nn {

namespace {
constexpr Index kChunkBytes = 64 << 20;
constexpr Index kRowStep = 32;
constexpr Index kFewestRows = 256;  // below, reading the head's weights costs more than multiplying
constexpr Index kMostRows = 1024;
}  // namespace

Index LossHead::chunk_rows(Index vocabulary) {
  const Index rows = kChunkBytes / (vocabulary * size_of(DType::kF32));
  return std::clamp(rows / kRowStep * kRowStep, kFewestRows, kMostRows);
}

Index LossHead::whole_steps(Index rows) {
  return (rows + kRowStep - 1) / kRowStep * kRowStep;
}

double LossHead::chunk_loss(const Context& context, ConstMatrixView x, std::span<const std::int32_t> targets,
                            const ops::CrossEntropyOptions& options, Scratch& scratch, MatrixView dx) const {
  const MatrixView logits = scratch.logits.view().row_range(0, x.rows);
  linear_.forward(context, x, false, scratch.update, scratch.linear, logits);
  const double loss = context.ops.cross_entropy(logits, targets, options);
  if (!options.with_gradient || (dx.empty() && !linear_.trains())) return loss;
  MatrixView dy = logits;
  if (context.compute != DType::kF32) {
    scratch.d_logits.reshape(scratch.logits.rows(), scratch.logits.cols(), context.compute);
    dy = scratch.d_logits.view().row_range(0, x.rows);
    context.ops.copy(logits, dy);
  }
  linear_.backward(context, x, dy, scratch.update, false, scratch.linear, dx);
  return loss;
}

double LossHead::run(const Context& context, ConstMatrixView x, std::span<const std::int32_t> targets,
                     const ops::CrossEntropyOptions& options, Scratch& scratch, MatrixView dx) const {
  LORRY_CHECK_EQ(static_cast<Index>(targets.size()), x.rows);
  const Index rows = chunk_rows(linear_.outputs());
  scratch.x.reshape(rows, x.cols, x.dtype);
  scratch.logits.reshape(rows, linear_.outputs(), DType::kF32);
  if (!dx.empty()) {
    scratch.dx.reshape(rows, x.cols, DType::kF32);
    for (Index i = 0; i < dx.rows; ++i) std::fill_n(dx.row<float>(i), dx.cols, 0.0F);
  }
  double loss = 0;
  std::vector<Index> chosen;
  std::vector<std::int32_t> chunk_targets;
  nn::Context pass = context;
  const auto flush = [&] {
    if (chosen.empty()) return;
    // Whole steps of rows keep the number of distinct product shapes small; the added rows have no target.
    const auto count = static_cast<Index>(chosen.size());
    const Index padded = std::min(rows, whole_steps(count));
    const MatrixView chunk = scratch.x.view().row_range(0, padded);
    for (Index i = 0; i < padded; ++i) {
      const Index source = chosen[static_cast<std::size_t>(std::min(i, count - 1))];
      context.ops.copy(x.row_range(source, 1), chunk.row_range(i, 1));
    }
    chunk_targets.resize(static_cast<std::size_t>(padded), -1);
    const MatrixView d_chunk = dx.empty() ? MatrixView{} : scratch.dx.view().row_range(0, padded);
    loss += chunk_loss(pass, chunk, chunk_targets, options, scratch, d_chunk);
    for (Index i = 0; i < count && !dx.empty(); ++i) {
      context.ops.copy(d_chunk.row_range(i, 1), dx.row_range(chosen[static_cast<std::size_t>(i)], 1));
    }
    ++pass.chunk;
    chosen.clear();
    chunk_targets.clear();
  };
  for (Index i = 0; i < x.rows; ++i) {
    const std::int32_t target = targets[static_cast<std::size_t>(i)];
    if (target < 0) continue;
    chosen.push_back(i);
    chunk_targets.push_back(target);
    if (static_cast<Index>(chosen.size()) == rows) flush();
  }
  flush();
  return loss;
}

double LossHead::loss(const Context& context, ConstMatrixView x, std::span<const std::int32_t> targets,
                      Scratch& scratch) const {
  return run(context, x, targets, {}, scratch, {});
}

double LossHead::loss_and_gradient(const Context& context, ConstMatrixView x,
                                   std::span<const std::int32_t> targets, const LossOptions& options,
                                   Scratch& scratch, MatrixView dx) const {
  const ops::CrossEntropyOptions all = {.with_gradient = true,
                                        .gradient_scale = options.gradient_scale,
                                        .label_smoothing = options.label_smoothing};
  return run(context, x, targets, all, scratch, dx);
}

}  // namespace lorry::nn
