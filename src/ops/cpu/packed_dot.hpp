// ops/cpu/packed_dot.hpp: a few rows times rows of packed weights, whose numbers are made in registers and
// never written: decoding in float reads every weight once, so that each step between reading and multiplying
// counts.
#pragma once
#include "tensor/matrix.hpp"
#include "tensor/weight_view.hpp"

namespace lorry::ops::cpu {

/// Whether w is packed in blocks that rows begin and end with, and all its columns are there.
bool packed_dot_serves(const WeightView& w);

/// out [M,O] F32 = x [M,I] F32 times the rows of w [O,I], rounded to BF16 first if round_w: on the calling
/// thread, with the bits of matvec on the same numbers unpacked.
void packed_dot(ConstMatrixView x, const WeightView& w, bool round_w, MatrixView out);

}  // namespace lorry::ops::cpu
