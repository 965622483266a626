// cpu/attention.hpp: causal attention in blocks; no score matrix beyond one block exists. Contracts:
// ops/ops.hpp; docs/math/attention.md derives both passes.
#pragma once
#include "ops/ops.hpp"
#include "tensor/matrix.hpp"

namespace lorry::ops::cpu {

void attention(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v, const Documents& documents,
               const AttentionShape& shape, MatrixView out, MatrixView lse);
void attention_backward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v, ConstMatrixView out,
                        ConstMatrixView lse, ConstMatrixView dout, const Documents& documents,
                        const AttentionShape& shape, MatrixView dq, MatrixView dk, MatrixView dv);

}  // namespace lorry::ops::cpu
