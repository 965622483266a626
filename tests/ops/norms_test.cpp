#include "ops/cpu/norms.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <vector>

#include "ops/reference/norms.hpp"
#include "support/complex_step.hpp"
#include "support/instruction_sets.hpp"
#include "support/near.hpp"
#include "support/random_matrix.hpp"

namespace lorry::ops {
namespace {

using lorry::testing::near;
using reference::Dense;

struct Shape {
  Index rows, cols, width;  // width: of a group
};
const std::vector<Shape> kShapes = {{1, 1, 1},   {3, 7, 7},     {2, 16, 16},  {5, 17, 17},  {4, 24, 8},
                                    {3, 60, 20}, {130, 33, 33}, {2, 512, 64}, {70, 67, 67}, {9, 2049, 2049}};
constexpr float kEps = 1e-5F;

/// Forward and backward operands. Weights are off 1 and biases off 0, so that leaving them out shows.
struct Problem {
  Problem(Shape s, DType dtype)
      : x(s.rows, s.cols, dtype, 1),
        dy(s.rows, s.cols, dtype, 2),
        y(s.rows, s.cols, dtype),
        dx(s.rows, s.cols, dtype, 3),
        weight(testing::random_matrix(1, s.width, DType::kF32, 4)),
        bias(testing::random_matrix(1, s.width, DType::kF32, 5)),
        dweight(testing::random_matrix(1, s.width, DType::kF32, 6)),
        dbias(testing::random_matrix(1, s.width, DType::kF32, 7)) {}

  testing::StridedMatrix x, dy, y, dx;
  Matrix weight, bias, dweight, dbias;
};

enum class Kind { kRms, kLayer };

void forward(Kind kind, Problem& p) {
  if (kind == Kind::kRms) {
    cpu::rms_norm(p.x, p.weight, kEps, p.y);
  } else {
    cpu::layer_norm(p.x, p.weight, p.bias, kEps, p.y);
  }
}

void backward(Kind kind, Problem& p, bool accumulate) {
  if (kind == Kind::kRms) {
    cpu::rms_norm_backward(p.x, p.weight, kEps, p.dy, accumulate, p.dx, p.dweight);
  } else {
    cpu::layer_norm_backward(p.x, p.weight, kEps, p.dy, accumulate, p.dx, p.dweight, p.dbias);
  }
}

Dense<double> plus(Dense<double> a, const Dense<double>& b) {
  for (std::size_t i = 0; i < a.values.size(); ++i) a.values[i] += b.values[i];
  return a;
}

/// The gradient of sum(dy * norm(x, weight, bias)) by one of the three.
Dense<double> exact_gradient(Kind kind, Problem& p, int operand) {
  const Dense<double> in[3] = {reference::dense<double>(p.x), reference::dense<double>(p.weight),
                               reference::dense<double>(p.bias)};
  const Dense<double> dy = reference::dense<double>(p.dy);
  const auto loss = [&](const testing::ComplexMatrix& v) {
    testing::ComplexMatrix at[3];
    for (int i = 0; i < 3; ++i) at[i] = i == operand ? v : reference::cast<testing::Complex>(in[i]);
    if (kind == Kind::kRms) at[2] = {};
    return testing::weighted_sum(reference::norm(at[0], at[1], at[2], kEps, kind == Kind::kLayer), dy);
  };
  return testing::complex_step_gradient(loss, in[operand]);
}

class Norms : public ::testing::TestWithParam<Kind> {};

TEST_P(Norms, ForwardMatchesTheReference) {
  testing::for_each_instruction_set([&] {
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      for (const Shape& shape : kShapes) {
        Problem p(shape, dtype);
        forward(GetParam(), p);
        const bool layer = GetParam() == Kind::kLayer;
        const Dense<double> bias = layer ? reference::dense<double>(p.bias) : Dense<double>();
        const Dense<double> want = reference::norm(reference::dense<double>(p.x),
                                                   reference::dense<double>(p.weight), bias, kEps, layer);
        EXPECT_TRUE(near(p.y, want, testing::tolerance_of(dtype))) << shape.rows << " x " << shape.cols;
        EXPECT_TRUE(p.y.surroundings_intact());
      }
    }
  });
}

TEST_P(Norms, GradientsMatchComplexSteps) {
  testing::for_each_instruction_set([&] {
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      for (const Shape& shape : {Shape{3, 7, 7}, {5, 17, 17}, {4, 24, 8}, {3, 60, 20}, {70, 5, 5}}) {
        Problem p(shape, dtype);
        const Dense<double> dweight = reference::dense<double>(p.dweight);
        const Dense<double> dbias = reference::dense<double>(p.dbias);
        backward(GetParam(), p, false);
        EXPECT_TRUE(near(p.dx, exact_gradient(GetParam(), p, 0), testing::tolerance_of(dtype)));
        EXPECT_TRUE(p.dx.surroundings_intact());
        // Sums over rows run in float32 whatever the type of x: both types must meet the float32 tolerance.
        EXPECT_TRUE(near(p.dweight, plus(dweight, exact_gradient(GetParam(), p, 1)), testing::kF32Tolerance));
        if (GetParam() == Kind::kLayer) {
          EXPECT_TRUE(near(p.dbias, plus(dbias, exact_gradient(GetParam(), p, 2)), testing::kF32Tolerance));
        }
      }
    }
  });
}

TEST_P(Norms, BackwardAddsToDxWhereAsked) {
  Problem p({5, 17, 17}, DType::kF32);
  const Dense<double> before = reference::dense<double>(p.dx);
  backward(GetParam(), p, true);
  EXPECT_TRUE(near(p.dx, plus(before, exact_gradient(GetParam(), p, 0)), testing::kF32Tolerance));
}

TEST_P(Norms, DxMayBeDyAndWeightGradientsMayBeAbsent) {
  Problem p({5, 34, 17}, DType::kBF16);
  backward(GetParam(), p, false);
  if (GetParam() == Kind::kRms) {
    cpu::rms_norm_backward(p.x, p.weight, kEps, p.dy, false, p.dy, {});
  } else {
    cpu::layer_norm_backward(p.x, p.weight, kEps, p.dy, false, p.dy, {}, {});
  }
  EXPECT_TRUE(testing::same_bits(p.dy, p.dx));
}

TEST_P(Norms, TheNumberOfThreadsChangesNoBit) {
  const int before = omp_get_max_threads();
  Problem one({301, 200, 100}, DType::kF32);
  Problem two({301, 200, 100}, DType::kF32);
  omp_set_num_threads(1);
  backward(GetParam(), one, false);
  omp_set_num_threads(2);
  backward(GetParam(), two, false);
  omp_set_num_threads(before);
  EXPECT_TRUE(testing::same_bits(one.dx, two.dx));
  EXPECT_TRUE(testing::same_bits(one.dweight, two.dweight));
  EXPECT_TRUE(testing::same_bits(one.dbias, two.dbias));
}

INSTANTIATE_TEST_SUITE_P(Both, Norms, ::testing::Values(Kind::kRms, Kind::kLayer),
                         [](const auto& kind) { return kind.param == Kind::kRms ? "RmsNorm" : "LayerNorm"; });

TEST(LayerNorm, KeepsItsDigitsWhenTheMeanIsLarge) {
  Problem p({3, 100, 100}, DType::kF32);
  for (Index i = 0; i < 3; ++i) {
    for (Index j = 0; j < 100; ++j) testing::put(p.x, i, j, testing::get(p.x, i, j) + 1000.0F);
  }
  forward(Kind::kLayer, p);
  const Dense<double> want =
      reference::norm(reference::dense<double>(p.x), reference::dense<double>(p.weight),
                      reference::dense<double>(p.bias), kEps, true);
  EXPECT_TRUE(
      near(p.y, want, {.max_rel = 2e-4, .cosine = 1e-7}));  // the mean itself has 1000 * 2^-24 of error
}

}  // namespace
}  // namespace lorry::ops
