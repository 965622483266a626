// tests/support/near.hpp: two matrices agree if both the largest error and the direction do.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "ops/reference/dense.hpp"
#include "tensor/matrix.hpp"

namespace lorry::testing {

struct Tolerance {
  double max_rel = 5e-5;  // largest |got - want|, relative to the largest |want|
  double cosine = 3e-6;   // 1 - cos(got, want)
};

/// What F32 sums of a few thousand terms keep, and what BF16 inputs and outputs (8 bits) keep.
inline constexpr Tolerance kF32Tolerance = {.max_rel = 5e-6, .cosine = 1e-10};
inline constexpr Tolerance kBF16Tolerance = {.max_rel = 8e-3, .cosine = 3e-5};

inline Tolerance tolerance_of(DType dtype) {
  return dtype == DType::kF32 ? kF32Tolerance : kBF16Tolerance;
}

inline ::testing::AssertionResult near(const ops::reference::Dense<double>& got,
                                       const ops::reference::Dense<double>& want, Tolerance tolerance = {}) {
  if (got.rows != want.rows || got.cols != want.cols) {
    return ::testing::AssertionFailure() << "shapes differ: got [" << got.rows << "," << got.cols
                                         << "], want [" << want.rows << "," << want.cols << "]";
  }
  double largest = 0;
  double error = 0;
  std::size_t worst = 0;
  double dot = 0;
  double got_squares = 0;
  double want_squares = 0;
  for (std::size_t i = 0; i < want.values.size(); ++i) {
    const double g = got.values[i];
    const double w = want.values[i];
    if (!std::isfinite(g)) return ::testing::AssertionFailure() << "element " << i << " is " << g;
    if (std::abs(g - w) > error) {
      error = std::abs(g - w);
      worst = i;
    }
    largest = std::max(largest, std::abs(w));
    dot += g * w;
    got_squares += g * g;
    want_squares += w * w;
  }
  if (want_squares == 0 || got_squares == 0) {
    if (error == 0) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "one side is all zero, the other is not";
  }
  const double angle = 1.0 - dot / std::sqrt(got_squares * want_squares);
  if (error <= tolerance.max_rel * largest && angle <= tolerance.cosine) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure()
         << "max_rel " << error / largest << " (allowed " << tolerance.max_rel << ") at element " << worst
         << ": got " << got.values[worst] << ", want " << want.values[worst] << "; 1 - cosine " << angle
         << " (allowed " << tolerance.cosine << ")";
}

inline ::testing::AssertionResult near(ConstMatrixView got, const ops::reference::Dense<double>& want,
                                       Tolerance tolerance = {}) {
  return near(ops::reference::dense<double>(got), want, tolerance);
}

}  // namespace lorry::testing
