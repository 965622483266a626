// ops/cpu/integer_dot.hpp: products of few rows with packed weights as dots of bytes, several times as many
// of which a processor makes as of float32: decoding waits for the weights alone. docs/math/int8.md.
#pragma once
#include "tensor/weight_view.hpp"

namespace lorry::ops::cpu {

/// Whether integer_dot() serves w: whole rows of small integers with scales, which int8 and all of GGUF's
/// block formats are.
bool integer_dot_serves(const WeightView& w);

/// y [M,O] (+)= x [M,I] w^T for w [O,I]. x and y: F32, F16 or BF16. Rows of x are rounded to 8 bits with a
/// scale for every 32 elements. Sums over elements that share a scale are exact; these are scaled and added
/// in float32, in order: a row of y depends on its row of x alone, bit for bit. A row of x that is not finite
/// gives a row of NaN.
void integer_dot(ConstMatrixView x, WeightView w, bool accumulate, MatrixView y);

}  // namespace lorry::ops::cpu
