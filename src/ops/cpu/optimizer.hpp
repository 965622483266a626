// ops/cpu/optimizer.hpp: the update of trained weights. Contract: ops/ops.hpp.
#pragma once
#include "ops/ops.hpp"
#include "tensor/matrix.hpp"

namespace lorry::ops::cpu {

/// The sum of x^2 in double, F32 or BF16; the same for every number of threads.
double sum_of_squares(ConstMatrixView x);

/// One AdamW update; formula and order of rounding as torch.optim.AdamW with foreach=False.
void adamw(ConstMatrixView gradient, const AdamWOptions& options, MatrixView weight, MatrixView first_moment,
           MatrixView second_moment);

/// One update of SGD, by torch's formula.
void sgd(ConstMatrixView gradient, const SgdOptions& options, MatrixView weight, MatrixView momentum);

/// One update of Lion.
void lion(ConstMatrixView gradient, const LionOptions& options, MatrixView weight, MatrixView mean);

/// One AdamW update with quantised moments (optimizer_8bit.cpp).
void adamw_8bit(ConstMatrixView gradient, const AdamWOptions& options, MatrixView weight,
                Quantized first_moment, Quantized second_moment);

}  // namespace lorry::ops::cpu
