#include "nn/norm.hpp"

namespace lorry::nn {

void Norm::set_copies(ConstMatrixView weight, ConstMatrixView bias) {
  weights_ = own_;
  if (!weight.empty()) weights_.weight = weight;
  if (!bias.empty()) weights_.bias = bias;
}

void Norm::forward(const Context& context, ConstMatrixView x, MatrixView y) const {
  if (kind_ == NormKind::kRms) {
    context.ops.rms_norm(x, weights_.weight, eps_, y);
  } else {
    context.ops.layer_norm(x, weights_.weight, weights_.bias, eps_, y);
  }
}

void Norm::backward(const Context& context, ConstMatrixView x, ConstMatrixView dy, bool accumulate,
                    MatrixView dx) const {
  if (kind_ == NormKind::kRms) {
    context.ops.rms_norm_backward(x, weights_.weight, eps_, dy, accumulate, dx, gradients_.weight);
  } else {
    context.ops.layer_norm_backward(x, weights_.weight, eps_, dy, accumulate, dx, gradients_.weight,
                                    gradients_.bias);
  }
}

}  // namespace lorry::nn
