// ops/cpu/integer_dot.hpp: products of few rows with packed weights as dots of bytes, several times as many
// of which a processor makes as of float32: decoding waits for the weights alone. docs/math/int8.md.
#pragma once
#include "tensor/matrix.hpp"
#include "tensor/weight_view.hpp"

namespace lorry::ops::cpu {

/// Elements of a row of x that are rounded together.
inline constexpr Index kDotGroup = 32;

/// Whether integer_dot() serves w: whole rows of small integers with scales, which int8 and all of GGUF's
/// block formats are.
bool integer_dot_serves(const WeightView& w);

/// Rows of x in 8 bits: x[i] ~ scale * code. The largest of every kDotGroup elements is 127 of their scale;
/// scales are listed for every `group` elements, as many as share a scale of w.
struct RoundedRows {
  Matrix codes;   // [M,I] U8 that are signed: -127 to 127
  Matrix scales;  // [M, I / group] F32; NaN where an element is not finite
  Matrix sums;    // [M, I / group] F32: of rounded elements, for the offsets of w
};

/// x [M,I] F32, rounded for products with w.
RoundedRows round_rows(ConstMatrixView x, const WeightView& w);

/// out [M,O] = x w^T for w [O,I], all F32, on the calling thread. Sums over elements that share a scale are
/// exact, these are scaled and added in float32, in order: a row of out depends on its row of x alone, bit
/// for bit.
void integer_dot(const RoundedRows& x, const WeightView& w, MatrixView out);

}  // namespace lorry::ops::cpu
