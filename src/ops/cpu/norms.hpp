// cpu/norms.hpp: RMS norm and layer norm. Contracts: ops/ops.hpp; the backward is derived in
// docs/math/rms_norm.md and docs/math/layer_norm.md.
#pragma once
#include "tensor/matrix.hpp"

namespace lorry::ops::cpu {

void rms_norm(ConstMatrixView x, ConstMatrixView weight, float eps, MatrixView y);
void rms_norm_backward(ConstMatrixView x, ConstMatrixView weight, float eps, ConstMatrixView dy,
                       bool accumulate, MatrixView dx, MatrixView dweight);
void layer_norm(ConstMatrixView x, ConstMatrixView weight, ConstMatrixView bias, float eps, MatrixView y);
void layer_norm_backward(ConstMatrixView x, ConstMatrixView weight, float eps, ConstMatrixView dy,
                         bool accumulate, MatrixView dx, MatrixView dweight, MatrixView dbias);

}  // namespace lorry::ops::cpu
