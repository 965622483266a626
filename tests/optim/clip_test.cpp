#include "optim/clip.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

namespace lorry::optim {
namespace {

TEST(ClipScale, IsThatOfTorch) {
  EXPECT_FLOAT_EQ(clip_scale(2.35584378, 1.0), static_cast<float>(1.0 / (2.35584378 + 1e-6)));
  EXPECT_FLOAT_EQ(clip_scale(1e-6, 1e-6), 0.5F);  // where the 1e-6 shows
  EXPECT_EQ(clip_scale(0.5, 1.0), 1.0F);
  EXPECT_EQ(clip_scale(0.0, 1.0), 1.0F);
  EXPECT_EQ(clip_scale(100.0, 0.0), 1.0F);
}

TEST(GlobalNorm, SpansAllParameters) {
  const auto ops = ops::make_cpu_ops(1);
  Matrix a(1, 2);
  Matrix b(2, 1);
  Matrix value(2, 2);
  std::copy_n(std::array{1.0F, -2.0F}.begin(), 2, a.row<float>(0));
  std::copy_n(std::array{4.0F, -10.0F}.begin(), 2, b.row<float>(0));
  const std::vector<Parameter> parameters = {{"a", value.view(), a.view()}, {"b", value.view(), b.view()}};
  EXPECT_DOUBLE_EQ(global_norm(*ops, parameters), 11.0);
}

}  // namespace
}  // namespace lorry::optim
