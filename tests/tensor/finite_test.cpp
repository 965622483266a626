// Numbers that are none, of every type and at every place.
#include "tensor/finite.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace lorry {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST(AllFinite, SeesOneElementOfAnyType) {
  for (const float bad : {kInfinity, -kInfinity, kNaN}) {
    for (Index i = 0; i < 6; ++i) {
      Matrix f32(2, 3);
      Matrix f16(2, 3, DType::kF16);
      Matrix bf16(2, 3, DType::kBF16);
      EXPECT_TRUE(all_finite(f32) && all_finite(f16) && all_finite(bf16));
      f32.row<float>(0)[i] = bad;
      f16.row<F16>(0)[i] = to_f16(bad);
      bf16.row<BF16>(0)[i] = to_bf16(bad);
      EXPECT_FALSE(all_finite(f32) || all_finite(f16) || all_finite(bf16));
    }
  }
}

TEST(AllFinite, TheLargestNumberIsOneAndColumnsOutsideTheViewDoNotCount) {
  Matrix matrix(2, 3);
  matrix.row<float>(0)[1] = std::numeric_limits<float>::max();
  matrix.row<float>(1)[2] = kNaN;
  EXPECT_TRUE(all_finite(matrix.view().col_range(0, 2)));
  EXPECT_FALSE(all_finite(matrix));
}

}  // namespace
}  // namespace lorry
