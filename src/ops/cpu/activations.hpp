// cpu/activations.hpp: SwiGLU and GELU. Contracts: ops/ops.hpp; the backward passes are derived in
// docs/math/swiglu.md and docs/math/gelu.md.
#pragma once
#include "tensor/matrix.hpp"

namespace lorry::ops::cpu {

void swiglu(ConstMatrixView gate, ConstMatrixView up, MatrixView y);
void swiglu_backward(ConstMatrixView gate, ConstMatrixView up, ConstMatrixView dy, MatrixView dgate,
                     MatrixView dup);
void gelu_tanh(ConstMatrixView x, MatrixView y);
void gelu_tanh_backward(ConstMatrixView x, ConstMatrixView dy, MatrixView dx);

}  // namespace lorry::ops::cpu
