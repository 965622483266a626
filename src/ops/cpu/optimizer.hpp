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

}  // namespace lorry::ops::cpu
