// ops/cpu/matvec.hpp: products of very few rows with a large matrix (decoding in float), bound by the
// memory that reading the matrix once takes. oneDNN reaches a small part of it there.
#pragma once
#include "tensor/weight_view.hpp"

namespace lorry::ops::cpu {

/// Most rows of x for which matvec is the better choice.
constexpr Index kMatvecRows = 4;

/// y [M,O] (+)= x [M,I] op(w), M <= kMatvecRows; w is [O,I] if transpose_w, else [I,O]. Elements of w are
/// first rounded to BF16 where x is BF16, as in matmul; packed ones are unpacked on the way (packed_dot), or,
/// where w is not transposed or its rows do not begin with blocks, in tiles that stay in cache. A row of y
/// depends on its row of x alone, bit for bit, and not on M.
void matvec(ConstMatrixView x, WeightView w, bool transpose_w, bool accumulate, MatrixView y);

}  // namespace lorry::ops::cpu
