// tensor/finite.hpp: whether numbers are numbers.
#pragma once
#include "tensor/matrix.hpp"

namespace lorry {

/// Whether no element of an F32, F16 or BF16 matrix is NaN or infinite.
bool all_finite(ConstMatrixView matrix);

}  // namespace lorry
