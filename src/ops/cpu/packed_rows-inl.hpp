// ops/cpu/packed_rows-inl.hpp: rows of packed weights walked through block by block, for products of few
// rows. Included once per instruction set (Highway's dynamic dispatch), hence the guard.
#if defined(LORRY_OPS_CPU_PACKED_ROWS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LORRY_OPS_CPU_PACKED_ROWS_INL
#undef LORRY_OPS_CPU_PACKED_ROWS_INL
#else
#define LORRY_OPS_CPU_PACKED_ROWS_INL
#endif

#include <variant>

#include "ops/cpu/blocks-inl.hpp"
#include "ops/cpu/prefetch.hpp"
#include "tensor/weight_view.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

/// A row of a GGUF format.
template <BlockFormat kFormat>
struct GgufBlocks {
  static constexpr Index kElements = elements_of(kFormat);
  const std::uint8_t* first;
  Index bytes;  // of a block

  [[nodiscard]] HWY_INLINE const std::uint8_t* at(Index block) const {
    const std::uint8_t* const from = first + block * bytes;
    prefetch_ahead(from, bytes);
    return from;
  }
};

/// A row of int8.
struct Int8Blocks {
  static constexpr Index kElements = 32;  // at a time
  const std::int8_t* first;
  float absmax;

  [[nodiscard]] HWY_INLINE const std::int8_t* at(Index block) const {
    const std::int8_t* const from = first + block * kElements;
    prefetch_ahead(from, kElements);
    return from;
  }
};

/// Calls use(row_of) for int8 or a format of GGUF; row_of(row): its blocks.
template <class Use>
HWY_INLINE void with_rows(const PackedMatrix& matrix, Use&& use) {
  const std::uint8_t* const bytes = bytes_of(matrix);
  if (matrix.format == BlockFormat::kInt8) {
    const float* const absmax = std::get<RowScales>(matrix.scales).absmax;
    return use([&](Index row) HWY_ATTR {
      return Int8Blocks{reinterpret_cast<const std::int8_t*>(bytes) + row * matrix.cols, absmax[row]};
    });
  }
  with_block_format(matrix.format, [&]<BlockFormat kFormat>() HWY_ATTR {
    const Index block_bytes = facts_of(kFormat).bytes;
    const Index row_bytes = matrix.cols / elements_of(kFormat) * block_bytes;
    use([&](Index row) HWY_ATTR { return GgufBlocks<kFormat>{bytes + row * row_bytes, block_bytes}; });
  });
}

/// Calls dot.operator()<kRows>(m, o, row) for every row o of w and all of so many rows m of x, kMost, 2 or 1
/// at a time.
template <Index kMost, class RowOf, class Dot>
HWY_INLINE void for_each_dot(Index x_rows, const WeightView& w, RowOf&& row_of, Dot&& dot) {
  for (Index o = 0; o < w.rows; ++o) {
    const auto row = row_of(w.packed->stored_row(w.first_row + o));
    Index m = 0;
    for (; m + kMost <= x_rows; m += kMost) dot.template operator()<kMost>(m, o, row);
    if (kMost > 2 && m + 2 <= x_rows) {
      dot.template operator()<2>(m, o, row);
      m += 2;
    }
    if (m < x_rows) dot.template operator()<1>(m, o, row);
  }
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
