#include "ops/cpu/rope.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "ops/reference/rope.hpp"
#include "support/complex_step.hpp"
#include "support/instruction_sets.hpp"
#include "support/near.hpp"
#include "support/random_matrix.hpp"

namespace lorry::ops {
namespace {

using lorry::testing::near;
using reference::Dense;

Matrix angle_table(Index positions, Index head_dim) {
  Matrix table(positions, head_dim);
  for (Index p = 0; p < positions; ++p) {
    for (Index j = 0; j < head_dim / 2; ++j) {
      const double angle = static_cast<double>(p) * std::pow(1e4, -2.0 * static_cast<double>(j) / head_dim);
      table.row<float>(p)[j] = static_cast<float>(std::cos(angle));
      table.row<float>(p)[head_dim / 2 + j] = static_cast<float>(std::sin(angle));
    }
  }
  return table;
}

const std::vector<std::int32_t> kPositions = {0, 5, 1, 30, 30};

TEST(Rope, RotatesEveryHeadByItsPosition) {
  testing::for_each_instruction_set([&] {
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      for (const Index head_dim : {2, 8, 20, 64, 80, 128}) {
        const Matrix table = angle_table(31, head_dim);
        testing::StridedMatrix x(5, 3 * head_dim, dtype, 1);
        const Dense<double> want = reference::rope(reference::dense<double>(table), kPositions, head_dim,
                                                   reference::dense<double>(x));
        cpu::rope(table, kPositions, head_dim, false, x);
        EXPECT_TRUE(near(x, want, testing::tolerance_of(dtype))) << head_dim;
        EXPECT_TRUE(x.surroundings_intact());
      }
    }
  });
}

TEST(Rope, TheInverseIsTheBackwardPass) {
  const Index head_dim = 20;
  const Matrix table = angle_table(31, head_dim);
  const Dense<double> angles = reference::dense<double>(table);
  const Matrix x = testing::random_matrix(5, 2 * head_dim, DType::kF32, 1);
  testing::StridedMatrix dy(5, 2 * head_dim, DType::kF32, 2);
  const Dense<double> weights = reference::dense<double>(dy);
  const auto loss = [&](const testing::ComplexMatrix& v) {
    return testing::weighted_sum(reference::rope(angles, kPositions, head_dim, v), weights);
  };
  cpu::rope(table, kPositions, head_dim, true, dy);
  EXPECT_TRUE(
      near(dy, testing::complex_step_gradient(loss, reference::dense<double>(x)), testing::kF32Tolerance));
}

}  // namespace
}  // namespace lorry::ops
