// ops/cpu/matvec.hpp: products of very few rows with a large matrix (decoding), bound by the memory that
// reading the matrix once takes. oneDNN reaches a small part of it there.
#pragma once
#include "ops/ops.hpp"
#include "tensor/weight_view.hpp"

namespace lorry::ops::cpu {

/// Most rows of x for which matvec is the better choice.
constexpr Index kMatvecRows = 4;

/// y [M,O] (+)= x [M,I] op(w), M <= kMatvecRows; w is [O,I] if options.transpose_b, else [I,O];
/// options.transpose_a must not be set. Elements of w are first rounded to BF16 where x is BF16, as in
/// matmul; packed ones are unpacked on the way (packed_dot), or, where w is not transposed or its rows do not
/// begin with blocks, in tiles that stay in cache. With options.integers, those that integer_dot serves are
/// not: it multiplies their codes. A row of y depends on its row of x alone, bit for bit, and not on M.
void matvec(ConstMatrixView x, WeightView w, MatmulOptions options, MatrixView y);

}  // namespace lorry::ops::cpu
