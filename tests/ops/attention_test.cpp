// The blockwise kernels against the naive sums, over document lengths around the block and vector sizes.
#include "ops/cpu/attention.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "ops/reference/attention.hpp"
#include "support/complex_step.hpp"
#include "support/instruction_sets.hpp"
#include "support/near.hpp"
#include "support/random_matrix.hpp"

namespace lorry::ops {
namespace {

using lorry::testing::near;
using reference::Dense;

struct Case {
  std::string name;
  std::vector<Index> lengths;  // of documents
  AttentionShape shape;
  DType dtype = DType::kF32;
  float deviation = 1.0F;  // of q and k: how peaked the softmax is
  std::vector<Index> parents = {};
};

AttentionShape shape_of(Index heads, Index kv_heads, Index head_dim, Index window = 0) {
  return {heads, kv_heads, head_dim, 1.0F / std::sqrt(static_cast<float>(head_dim)), window};
}

std::vector<Index> starts(const std::vector<Index>& lengths) {
  std::vector<Index> out{0};
  for (const Index length : lengths) out.push_back(out.back() + length);
  return out;
}

/// All operands of both passes; q, k and v are column ranges of one buffer, as the fused projection leaves
/// them.
struct Problem {
  explicit Problem(const Case& c)
      : rows(starts(c.lengths)),
        parents(c.parents),
        shape(c.shape),
        q_cols(c.shape.heads * c.shape.head_dim),
        k_cols(c.shape.kv_heads * c.shape.head_dim),
        qkv(rows.back(), q_cols + 2 * k_cols, c.dtype, 1, c.deviation),
        dqkv(rows.back(), q_cols + 2 * k_cols, c.dtype),
        out(rows.back(), q_cols, c.dtype),
        dout(rows.back(), q_cols, c.dtype, 2),
        lse(rows.back(), c.shape.heads) {}

  [[nodiscard]] Documents documents() const { return {rows, rows, parents}; }
  MatrixView part(testing::StridedMatrix& of, int which) const {
    if (which == 0) return of.view().col_range(0, q_cols);
    return of.view().col_range(q_cols + (which - 1) * k_cols, k_cols);
  }
  void forward() { cpu::attention(part(qkv, 0), part(qkv, 1), part(qkv, 2), documents(), shape, out, lse); }
  void backward() {
    cpu::attention_backward(part(qkv, 0), part(qkv, 1), part(qkv, 2), out, lse, dout, documents(), shape,
                            part(dqkv, 0), part(dqkv, 1), part(dqkv, 2));
  }
  template <class T = double>
  Dense<T> exact(int which) {
    return reference::dense<T>(part(qkv, which));
  }

  std::vector<Index> rows;
  std::vector<Index> parents;
  AttentionShape shape;
  Index q_cols;
  Index k_cols;
  testing::StridedMatrix qkv;
  testing::StridedMatrix dqkv;
  testing::StridedMatrix out;
  testing::StridedMatrix dout;
  Matrix lse;
};

/// As near, but where one key is all that a query sees, dq and dk are zero and only rounding is left.
::testing::AssertionResult near_gradient(ConstMatrixView got, const Dense<double>& want,
                                         testing::Tolerance tolerance) {
  const auto is_zero = [](double x) { return std::abs(x) < 1e-12; };
  if (!std::ranges::all_of(want.values, is_zero)) return near(got, want, tolerance);
  const Dense<double> values = reference::dense<double>(got);
  for (const double x : values.values) {
    if (!(std::abs(x) < 1e-5)) return ::testing::AssertionFailure() << x << " should be zero";
  }
  return ::testing::AssertionSuccess();
}

std::vector<Case> cases() {
  const DType f32 = DType::kF32;
  const DType bf16 = DType::kBF16;
  return {
      {"OneToken", {1}, shape_of(2, 1, 8)},
      {"ShortDocuments", {1, 2, 1, 17, 5, 16, 31, 33}, shape_of(2, 1, 20)},
      {"BlockEdges", {63, 64, 65, 6, 127, 129}, shape_of(2, 2, 16)},
      {"Groups8", {5, 70}, shape_of(8, 1, 64)},
      {"Groups2", {90, 37}, shape_of(4, 2, 80)},
      {"Wide", {70, 3}, shape_of(2, 2, 128)},
      {"WiderThanABlock", {66}, shape_of(1, 1, 256)},
      {"OddPairs", {21, 40}, shape_of(3, 1, 6)},
      {"Window1", {1, 70, 20}, shape_of(2, 1, 8, 1)},
      {"Window3", {150, 2}, shape_of(2, 1, 8, 3)},
      {"Window65", {200}, shape_of(2, 2, 20, 65)},
      {"WindowLargerThanAll", {70, 9}, shape_of(2, 1, 8, 1000)},
      {"Peaked", {100, 30}, shape_of(2, 1, 64), DType::kF32, 4.0F},
      {"Bf16", {1, 70, 33}, shape_of(4, 2, 64), bf16},
      {"Bf16Odd", {37, 65}, shape_of(3, 3, 20), bf16},
      {"Bf16Window", {150}, shape_of(2, 1, 64, 40), bf16},
      {"Parent", {40, 3, 70, 29, 1}, shape_of(4, 2, 20), f32, 1.0F, {-1, 0, 0, 0, 0}},
      {"ParentOverABlock", {130, 33, 66}, shape_of(2, 1, 64), f32, 1.0F, {-1, 0, 0}},
      {"ParentBetweenOthers", {9, 64, 5, 17, 64}, shape_of(2, 2, 8), f32, 1.0F, {1, -1, -1, 1, 2}},
      {"ParentBehindAWindow", {70, 66, 3}, shape_of(2, 1, 8, 40), f32, 1.0F, {-1, 0, 0}},
      {"ParentOfOneToken", {1, 1, 30}, shape_of(2, 1, 16), f32, 1.0F, {-1, 0, 0}},
      {"Bf16Parent", {37, 65, 2}, shape_of(4, 2, 64), bf16, 1.0F, {-1, 0, 0}},
  };
}

class AttentionCases : public ::testing::TestWithParam<Case> {};

TEST_P(AttentionCases, ForwardMatchesTheNaiveSums) {
  testing::for_each_instruction_set([&] {
    Problem p(GetParam());
    p.forward();
    Dense<double> lse;
    const Dense<double> want =
        reference::attention(p.exact(0), p.exact(1), p.exact(2), p.documents(), p.shape, &lse);
    EXPECT_TRUE(near(p.out, want, testing::tolerance_of(GetParam().dtype)));
    EXPECT_TRUE(near(p.lse, lse, testing::kF32Tolerance));
    EXPECT_TRUE(p.out.surroundings_intact());
  });
}

TEST_P(AttentionCases, GradientsMatchTheNaiveSums) {
  testing::for_each_instruction_set([&] {
    Problem p(GetParam());
    p.forward();
    p.backward();
    const auto want = reference::attention_backward(p.exact(0), p.exact(1), p.exact(2),
                                                    reference::dense<double>(p.dout), p.documents(), p.shape);
    // In BF16 the saved output is rounded, which rowsum(dout * out) carries into dq and dk.
    const testing::Tolerance tolerance = GetParam().dtype == DType::kF32
                                             ? testing::Tolerance{.max_rel = 5e-5, .cosine = 1e-8}
                                             : testing::Tolerance{.max_rel = 1.5e-2, .cosine = 1e-4};
    EXPECT_TRUE(near_gradient(p.part(p.dqkv, 0), want.dq, tolerance)) << "dq";
    EXPECT_TRUE(near_gradient(p.part(p.dqkv, 1), want.dk, tolerance)) << "dk";
    EXPECT_TRUE(near(p.part(p.dqkv, 2), want.dv, tolerance)) << "dv";
    EXPECT_TRUE(p.dqkv.surroundings_intact());
  });
}

TEST_P(AttentionCases, TheNumberOfThreadsChangesNoBit) {
  const int before = omp_get_max_threads();
  Problem one(GetParam());
  Problem two(GetParam());
  omp_set_num_threads(1);
  one.forward();
  one.backward();
  omp_set_num_threads(2);
  two.forward();
  two.backward();
  omp_set_num_threads(before);
  EXPECT_TRUE(testing::same_bits(one.out, two.out));
  EXPECT_TRUE(testing::same_bits(one.lse, two.lse));
  EXPECT_TRUE(testing::same_bits(one.dqkv, two.dqkv));
}

INSTANTIATE_TEST_SUITE_P(Attention, AttentionCases, ::testing::ValuesIn(cases()),
                         [](const auto& each) { return each.param.name; });

/// Where documents have parents, the same numbers as where each has its parent's tokens as its own.
TEST(Attention, AParentIsAsItsTokensInFront) {
  const AttentionShape shape = shape_of(4, 2, 20);
  const std::vector<Index> rows{0, 70, 75, 110};
  const std::vector<Index> parents{-1, 0, 0};
  const std::vector<Index> keys{0, 70, 145, 250};  // of 70, 70 + 5, 70 + 35
  testing::StridedMatrix q(110, 80, DType::kF32, 1);
  testing::StridedMatrix k(110, 40, DType::kF32, 2);
  testing::StridedMatrix v(110, 40, DType::kF32, 3);
  testing::StridedMatrix written_out_k(250, 40, DType::kF32);
  testing::StridedMatrix written_out_v(250, 40, DType::kF32);
  const auto copy_rows = [&](Index from, Index count, Index to) {
    for (Index i = 0; i < count; ++i) {
      for (Index j = 0; j < 40; ++j) {
        testing::put(written_out_k.view(), to + i, j, testing::get(k, from + i, j));
        testing::put(written_out_v.view(), to + i, j, testing::get(v, from + i, j));
      }
    }
  };
  for (const Index document : {0, 70, 145}) copy_rows(0, 70, document);
  copy_rows(70, 5, 140);
  copy_rows(75, 35, 215);
  testing::StridedMatrix want(110, 80, DType::kF32);
  testing::StridedMatrix got(110, 80, DType::kF32);
  cpu::attention(q, written_out_k, written_out_v, {rows, keys}, shape, want, {});
  cpu::attention(q, k, v, {rows, rows, parents}, shape, got, {});
  EXPECT_TRUE(testing::same_bits(got, want));
}

TEST(Attention, GradientsMatchComplexSteps) {
  for (const Index window : {0, 3}) {
    Problem p({"", {7, 1, 5}, shape_of(4, 2, 6, window), DType::kF32, 1.0F, {-1, -1, 0}});
    p.forward();
    p.backward();
    const Dense<double> weights = reference::dense<double>(p.dout);
    for (int which = 0; which < 3; ++which) {
      const auto loss = [&](const testing::ComplexMatrix& x) {
        testing::ComplexMatrix in[3];
        for (int i = 0; i < 3; ++i) in[i] = i == which ? x : p.exact<testing::Complex>(i);
        return testing::weighted_sum(reference::attention(in[0], in[1], in[2], p.documents(), p.shape),
                                     weights);
      };
      const Dense<double> want = testing::complex_step_gradient(loss, p.exact(which));
      EXPECT_TRUE(near(p.part(p.dqkv, which), want, {.max_rel = 2e-5, .cosine = 1e-9}))
          << "operand " << which << ", window " << window;
    }
  }
}

TEST(Attention, QueriesMayBeTheLastOfTheKeys) {
  testing::for_each_instruction_set([&] {
    const AttentionShape plain = shape_of(4, 2, 20);
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      for (const Index window : {Index{0}, Index{9}, Index{100}}) {
        AttentionShape shape = plain;
        shape.window = window;
        const std::vector<Index> queries{0, 1, 3, 8, 78};  // 1, 2, 5 and 70 new tokens
        const std::vector<Index> keys{0, 300, 350, 355, 525};
        testing::StridedMatrix q(78, 80, dtype, 1);
        testing::StridedMatrix k(525, 40, dtype, 2);
        testing::StridedMatrix v(525, 40, dtype, 3);
        testing::StridedMatrix out(78, 80, dtype);
        Matrix lse(78, 4);
        cpu::attention(q, k, v, {queries, keys}, shape, out, lse);
        Dense<double> want_lse;
        const Dense<double> want =
            reference::attention(reference::dense<double>(q), reference::dense<double>(k),
                                 reference::dense<double>(v), {queries, keys}, shape, &want_lse);
        EXPECT_TRUE(near(out, want, testing::tolerance_of(dtype)));
        EXPECT_TRUE(near(lse, want_lse, testing::kF32Tolerance));
      }
    }
  });
}

TEST(Attention, NanReachesTheOutput) {
  testing::for_each_instruction_set([&] {
    Problem p({"", {70}, shape_of(1, 1, 8)});
    testing::put(p.part(p.qkv, 1), 3, 2, std::nanf(""));
    p.forward();
    EXPECT_TRUE(std::isfinite(testing::get(p.out, 2, 0)));
    EXPECT_TRUE(std::isnan(testing::get(p.out, 3, 0)));
    EXPECT_TRUE(std::isnan(testing::get(p.out, 69, 7)));
  });
}

}  // namespace
}  // namespace lorry::ops
