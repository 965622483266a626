#include "model/block.hpp"

#include <utility>

namespace lorry::model {

Block::Block(nn::Norm attention_norm, nn::SelfAttention attention, nn::Norm mlp_norm, nn::Mlp mlp)
    : attention_norm_(attention_norm),
      attention_(std::move(attention)),
      mlp_norm_(mlp_norm),
      mlp_(std::move(mlp)) {}

std::vector<nn::Linear*> Block::linears() {
  std::vector<nn::Linear*> all = attention_.linears();
  for (nn::Linear* linear : mlp_.linears()) all.push_back(linear);
  return all;
}

void Block::start(const nn::Context& context, ConstMatrixView x, Cache& cache, Scratch& scratch) const {
  scratch.normed.reshape(x.rows, x.cols, context.compute);
  cache.x_mid.reshape(x.rows, x.cols, DType::kF32);
  attention_norm_.forward(context, x, scratch.normed);
  context.ops.copy(x, cache.x_mid);
}

void Block::finish(const nn::Context& context, Cache& cache, Scratch& scratch, MatrixView y) const {
  mlp_norm_.forward(context, cache.x_mid, scratch.normed);
  if (!y.empty()) context.ops.copy(cache.x_mid, y);
  mlp_.forward(context, scratch.normed, cache.mlp, scratch.mlp, y);
}

void Block::forward(const nn::Context& context, ConstMatrixView x, ConstMatrixView rope,
                    const nn::Sequence& sequence, Cache& cache, Scratch& scratch, MatrixView y) const {
  start(context, x, cache, scratch);
  attention_.forward(context, scratch.normed, rope, sequence, cache.attention, scratch.attention,
                     cache.x_mid);
  finish(context, cache, scratch, y);
}

void Block::forward_cached(const nn::Context& context, ConstMatrixView x, ConstMatrixView rope,
                           const nn::Extension& extension, nn::KeyValueCache& past, Cache& cache,
                           Scratch& scratch, MatrixView y) const {
  start(context, x, cache, scratch);
  attention_.forward_cached(context, scratch.normed, rope, extension, past, cache.attention,
                            scratch.attention, cache.x_mid);
  finish(context, cache, scratch, y);
}

void Block::backward(const nn::Context& context, ConstMatrixView x, ConstMatrixView rope,
                     const nn::Sequence& sequence, const Cache& cache, bool below, Scratch& scratch,
                     MatrixView d_x) const {
  scratch.normed.reshape(x.rows, x.cols, context.compute);
  scratch.d_normed.reshape(x.rows, x.cols, DType::kF32);
  const auto product_input = [&]() -> ConstMatrixView {
    if (context.compute == DType::kF32) return d_x;
    scratch.dy.reshape(x.rows, x.cols, context.compute);
    context.ops.copy(d_x, scratch.dy);
    return scratch.dy;
  };
  mlp_norm_.forward(context, cache.x_mid, scratch.normed);
  const bool attention_needed = below || attention_part_trains();
  const bool middle_needed = attention_needed || mlp_norm_.trains();
  mlp_.backward(context, scratch.normed, product_input(), cache.mlp, scratch.mlp,
                middle_needed ? scratch.d_normed.view() : MatrixView{});
  if (!middle_needed) return;
  mlp_norm_.backward(context, cache.x_mid, scratch.d_normed, true, d_x);
  if (!attention_needed) return;
  const bool norm_needed = below || attention_norm_.trains();
  attention_norm_.forward(context, x, scratch.normed);
  attention_.backward(context, scratch.normed, rope, sequence, product_input(), cache.attention,
                      scratch.attention, norm_needed ? scratch.d_normed.view() : MatrixView{});
  if (norm_needed) attention_norm_.backward(context, x, scratch.d_normed, true, d_x);
}

}  // namespace lorry::model
