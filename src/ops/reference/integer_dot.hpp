// ops/reference/integer_dot.hpp: the specification of Integers::kDots, in plain loops: an exact product with
// rounded rows. docs/math/int8.md.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/reference/dense.hpp"

namespace lorry::ops::reference {

/// x in 8 bits, the largest magnitude of every 32 elements of a row being 127 of their unit; zeros where it
/// is below 1e-30, NaN where one of them is not finite.
inline Dense<double> round_rows(const Dense<float>& x) {
  constexpr Index kGroup = 32;
  constexpr float kSteps = 127.0F;
  Dense<double> rounded(x.rows, x.cols);
  for (Index i = 0; i < x.rows; ++i) {
    for (Index k = 0; k < x.cols; k += kGroup) {
      float top = 0;
      bool finite = true;
      for (Index n = k; n < k + kGroup; ++n) {
        top = std::max(top, std::abs(x(i, n)));
        finite = finite && std::isfinite(x(i, n));
      }
      for (Index n = k; n < k + kGroup; ++n) {
        if (!finite) {
          rounded(i, n) = std::numeric_limits<double>::quiet_NaN();
        } else if (top >= 1e-30F) {
          rounded(i, n) = std::nearbyint(x(i, n) * (kSteps / top)) * static_cast<double>(top / kSteps);
        }
      }
    }
  }
  return rounded;
}

}  // namespace lorry::ops::reference
