// ops/cpu/elementwise.hpp: copies, transposes and sums. Contract: ops/ops.hpp.
#pragma once
#include "tensor/matrix.hpp"

namespace lorry::ops::cpu {

/// to = from, converting between any two of F32, F16 and BF16.
void copy(ConstMatrixView from, MatrixView to);
/// The same on the calling thread alone, for use within parallel pieces.
void copy_serial(ConstMatrixView from, MatrixView to);

/// y += alpha * x; F32 or BF16 each.
void add(ConstMatrixView x, float alpha, MatrixView y);
void add_serial(ConstMatrixView x, float alpha, MatrixView y);

/// y [N,O] += bias [1,O] F32, to every row.
void add_bias(ConstMatrixView bias, MatrixView y);
/// dbias [1,O] F32 += column sums of dy [N,O].
void add_bias_backward(ConstMatrixView dy, MatrixView dbias);

/// y [N,O] = x with column j times factors[j]; y may be x.
void scale_columns(ConstMatrixView x, ConstMatrixView factors, MatrixView y);
/// sums [1,O] F32 += sums over rows of a * b.
void add_column_products(ConstMatrixView a, ConstMatrixView b, MatrixView sums);

/// to [C,R] = from^T [R,C], converting the type.
void transpose(ConstMatrixView from, MatrixView to);

}  // namespace lorry::ops::cpu
