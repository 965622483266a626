// ops/cpu/store_turned-inl.hpp: the end of products that were summed as c^T. Included once per instruction
// set (Highway's dynamic dispatch), hence the guard.
#if defined(LORRY_OPS_CPU_STORE_TURNED_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LORRY_OPS_CPU_STORE_TURNED_INL
#undef LORRY_OPS_CPU_STORE_TURNED_INL
#else
#define LORRY_OPS_CPU_STORE_TURNED_INL
#endif

#include "ops/cpu/panel_product.hpp"
#include "ops/cpu/scratch.hpp"
#include "ops/cpu/transpose-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

/// c (+)= sums^T with column n times scale(n), in `room` by a few rows of c, which stay in the first-level
/// cache.
template <class Scale>
HWY_INLINE void store_turned(ConstMatrixView sums, Scratch& room, bool accumulate, const Scale& scale,
                             MatrixView c) {
  const MatrixView turned = room.view(kLanes, c.cols + kPadding, DType::kF32).col_range(0, c.cols);
  for (Index row = 0; row < c.rows; row += kLanes) {
    const auto numbers = [&](Index n, Index i, Index count) HWY_ATTR {
      return hn::Mul(load(sums.row<float>(n) + row + i, count), splat(scale(n)));
    };
    transpose(c.cols, kLanes, numbers, turned.row<float>(0), turned.stride);
    const Index rows = std::min(kLanes, c.rows - row);
    store_sums(turned.row_range(0, rows), accumulate, c.row_range(row, rows));
  }
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
