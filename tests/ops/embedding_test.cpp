#include "ops/cpu/embedding.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <vector>

#include "ops/reference/embedding.hpp"
#include "support/complex_step.hpp"
#include "support/near.hpp"
#include "support/random_matrix.hpp"

namespace lorry::ops {
namespace {

using lorry::testing::near;
using reference::Dense;

const std::vector<std::int32_t> kIds = {4, 0, 4, 6, 4};

TEST(Embedding, CopiesRowsOfEveryType) {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    testing::StridedMatrix table(7, 19, dtype, 1);
    testing::StridedMatrix y(5, 19, DType::kF32);
    cpu::embedding(table, kIds, y);
    const Dense<double> want = reference::embedding(reference::dense<double>(table), kIds);
    EXPECT_TRUE(near(y, want, {.max_rel = 0.0, .cosine = 1e-15}));  // exact: each type widens without loss
    EXPECT_TRUE(y.surroundings_intact());
  }
}

TEST(Embedding, GradientAddsEveryOccurrence) {
  const Matrix table = testing::random_matrix(7, 19, DType::kF32, 1);
  testing::StridedMatrix dy(5, 19, DType::kF32, 2);
  testing::StridedMatrix dtable(7, 19, DType::kF32, 3);
  const Dense<double> weights = reference::dense<double>(dy);
  Dense<double> want = reference::dense<double>(dtable);
  const auto loss = [&](const testing::ComplexMatrix& x) {
    return testing::weighted_sum(reference::embedding(x, kIds), weights);
  };
  const Dense<double> gradient = testing::complex_step_gradient(loss, reference::dense<double>(table));
  for (std::size_t i = 0; i < want.values.size(); ++i) want.values[i] += gradient.values[i];
  cpu::embedding_backward(dy, kIds, dtable);
  EXPECT_TRUE(near(dtable, want, {.max_rel = 1e-6, .cosine = 1e-12}));
  EXPECT_TRUE(dtable.surroundings_intact());
}

TEST(Embedding, TheNumberOfThreadsChangesNoBit) {
  const int before = omp_get_max_threads();
  const Matrix dy = testing::random_matrix(5, 1000, DType::kF32, 2);
  Matrix one(7, 1000);
  Matrix two(7, 1000);
  omp_set_num_threads(1);
  cpu::embedding_backward(dy, kIds, one);
  omp_set_num_threads(2);
  cpu::embedding_backward(dy, kIds, two);
  omp_set_num_threads(before);
  EXPECT_TRUE(testing::same_bits(one, two));
}

}  // namespace
}  // namespace lorry::ops
