// ops/cpu/low_rank.hpp: the thin products of a low-rank update, in float32. Legend and contract: ops/ops.hpp.
#pragma once
#include <span>

#include "ops/ops.hpp"

namespace lorry::ops::cpu {

/// h [N,R] = scale * x [N,D] p^T, p [R,D]. A row of h depends on its row of x alone, bit for bit.
void low_rank_project(ConstMatrixView x, ConstMatrixView p, float scale, MatrixView h);
/// y [N,D] += h [N,R] p [R,D].
void low_rank_expand_add(ConstMatrixView h, ConstMatrixView p, MatrixView y);
/// c [N,D] += each h p, of which c has rows [row, row + N) and columns [col, col + D). From within a parallel
/// loop by the thread that calls.
void add_terms(std::span<const LowRankTerm> terms, Index row, Index col, MatrixView c);
/// dp [R,D] += h^T [R,N] x [N,D].
void low_rank_outer_add(ConstMatrixView h, ConstMatrixView x, MatrixView dp);

}  // namespace lorry::ops::cpu
