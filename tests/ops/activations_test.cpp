#include "ops/cpu/activations.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "ops/reference/activations.hpp"
#include "support/complex_step.hpp"
#include "support/instruction_sets.hpp"
#include "support/near.hpp"
#include "support/random_matrix.hpp"

namespace lorry::ops {
namespace {

using lorry::testing::near;
using reference::Dense;

struct Shape {
  Index rows, cols;
};
constexpr Shape kShapes[] = {{1, 1}, {2, 15}, {3, 17}, {70, 33}, {2, 9001}};

TEST(Swiglu, ForwardMatchesTheReference) {
  testing::for_each_instruction_set([&] {
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      for (const Shape& shape : kShapes) {
        testing::StridedMatrix gate(shape.rows, shape.cols, dtype, 1, 3.0F);
        testing::StridedMatrix up(shape.rows, shape.cols, dtype, 2);
        testing::StridedMatrix y(shape.rows, shape.cols, dtype);
        cpu::swiglu(gate, up, y);
        const Dense<double> want =
            reference::swiglu(reference::dense<double>(gate), reference::dense<double>(up));
        EXPECT_TRUE(near(y, want, testing::tolerance_of(dtype)));
        EXPECT_TRUE(y.surroundings_intact());
      }
    }
  });
}

TEST(Swiglu, GradientsMatchComplexStepsAlsoInPlace) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    testing::StridedMatrix gate(3, 17, dtype, 1, 3.0F);
    testing::StridedMatrix up(3, 17, dtype, 2);
    testing::StridedMatrix dy(3, 17, dtype, 3);
    const Dense<double> g = reference::dense<double>(gate);
    const Dense<double> u = reference::dense<double>(up);
    const Dense<double> weights = reference::dense<double>(dy);
    const auto by_gate = [&](const testing::ComplexMatrix& x) {
      return testing::weighted_sum(reference::swiglu(x, reference::cast<testing::Complex>(u)), weights);
    };
    const auto by_up = [&](const testing::ComplexMatrix& x) {
      return testing::weighted_sum(reference::swiglu(reference::cast<testing::Complex>(g), x), weights);
    };
    const Dense<double> dgate = testing::complex_step_gradient(by_gate, g);
    const Dense<double> dup = testing::complex_step_gradient(by_up, u);
    testing::StridedMatrix got_dgate(3, 17, dtype);
    testing::StridedMatrix got_dup(3, 17, dtype);
    cpu::swiglu_backward(gate, up, dy, got_dgate, got_dup);
    EXPECT_TRUE(near(got_dgate, dgate, testing::tolerance_of(dtype)));
    EXPECT_TRUE(near(got_dup, dup, testing::tolerance_of(dtype)));
    for (const bool gate_in_place : {true, false}) {
      testing::StridedMatrix place(3, 17, dtype, 3);  // dy
      testing::StridedMatrix other(3, 17, dtype);
      gate_in_place ? cpu::swiglu_backward(gate, up, place, place, other)
                    : cpu::swiglu_backward(gate, up, place, other, place);
      EXPECT_TRUE(testing::same_bits(gate_in_place ? place : other, got_dgate));
      EXPECT_TRUE(testing::same_bits(gate_in_place ? other : place, got_dup));
    }
    cpu::swiglu_backward(gate, up, dy, gate, up);
    EXPECT_TRUE(testing::same_bits(gate, got_dgate));
    EXPECT_TRUE(testing::same_bits(up, got_dup));
  }
}

TEST(Gelu, ForwardMatchesTheReference) {
  testing::for_each_instruction_set([&] {
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      for (const Shape& shape : kShapes) {
        testing::StridedMatrix x(shape.rows, shape.cols, dtype, 1, 2.0F);
        testing::StridedMatrix y(shape.rows, shape.cols, dtype);
        cpu::gelu_tanh(x, y);
        EXPECT_TRUE(near(y, reference::gelu_tanh(reference::dense<double>(x)), testing::tolerance_of(dtype)));
        EXPECT_TRUE(y.surroundings_intact());
      }
    }
  });
}

TEST(Gelu, GradientMatchesComplexStepsAlsoInPlace) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    testing::StridedMatrix x(3, 17, dtype, 1, 2.0F);
    testing::StridedMatrix dy(3, 17, dtype, 2);
    testing::StridedMatrix dx(3, 17, dtype);
    const Dense<double> weights = reference::dense<double>(dy);
    const auto loss = [&](const testing::ComplexMatrix& v) {
      return testing::weighted_sum(reference::gelu_tanh(v), weights);
    };
    const Dense<double> want = testing::complex_step_gradient(loss, reference::dense<double>(x));
    cpu::gelu_tanh_backward(x, dy, dx);
    EXPECT_TRUE(near(dx, want, testing::tolerance_of(dtype)));
    cpu::gelu_tanh_backward(x, dy, dy);
    EXPECT_TRUE(testing::same_bits(dy, dx));
  }
}

TEST(Activations, KeepRelativeAccuracyOverTheirRange) {
  testing::for_each_instruction_set([&] {
    // One row of gates from -80 to 80: each element is compared with itself, not with the largest.
    const Index n = 3201;
    Matrix gate(1, n);
    Matrix ones(1, n);
    Matrix silu(1, n);
    Matrix gelu(1, n);
    for (Index j = 0; j < n; ++j) {
      gate.row<float>(0)[j] = 0.05F * static_cast<float>(j - 1600) + 0.001F;
      ones.row<float>(0)[j] = 1.0F;
    }
    cpu::swiglu(gate, ones, silu);
    cpu::gelu_tanh(gate, gelu);
    for (Index j = 0; j < n; ++j) {
      const double x = gate.row<float>(0)[j];
      const double want_silu = x / (1.0 + std::exp(-x));
      EXPECT_NEAR(silu.row<float>(0)[j] / want_silu, 1.0, 1e-6) << x;
      const double twice_u = 2.0 * std::sqrt(2.0 / 3.14159265358979323846) * (x + 0.044715 * x * x * x);
      const double want_gelu = x / (1.0 + std::exp(-twice_u));
      if (twice_u > -20.0) {  // below, the rounding of u itself (20 * 2^-24) shows
        EXPECT_NEAR(gelu.row<float>(0)[j] / want_gelu, 1.0, 3e-6) << x;
      } else {
        EXPECT_LT(std::abs(gelu.row<float>(0)[j]), 1e-6) << x;
      }
    }
  });
}

TEST(Activations, NanAndInfinityPassThrough) {
  testing::for_each_instruction_set([&] {
    Matrix x(1, 20);
    x.row<float>(0)[3] = std::nanf("");
    x.row<float>(0)[17] = HUGE_VALF;
    Matrix y(1, 20);
    cpu::gelu_tanh(x, y);
    EXPECT_TRUE(std::isnan(y.row<float>(0)[3]));
    EXPECT_EQ(y.row<float>(0)[17], HUGE_VALF);
    EXPECT_EQ(y.row<float>(0)[4], 0.0F);
    Matrix ones(1, 20);
    for (Index j = 0; j < 20; ++j) ones.row<float>(0)[j] = 1.0F;
    cpu::swiglu(x, ones, y);
    EXPECT_TRUE(std::isnan(y.row<float>(0)[3]));
    EXPECT_EQ(y.row<float>(0)[17], HUGE_VALF);
  });
}

}  // namespace
}  // namespace lorry::ops
