#include "ops/cpu/unpack.hpp"

#include "ops/cpu/elementwise.hpp"
#include "ops/cpu/parallel.hpp"

namespace lorry::ops::cpu {

void unpack_serial(WeightView from, MatrixView to) {
  LORRY_CHECK(from.is_packed() && from.rows == to.rows && from.cols == to.cols);
  Matrix row(1, from.cols);
  for (Index i = 0; i < from.rows; ++i) {
    unpack_row(*from.packed, from.first_row + i, from.first_col, from.cols, row.row<float>(0));
    copy_serial(row, to.row_range(i, 1));
  }
}

void unpack(WeightView from, MatrixView to) {
  constexpr Index kElements = 1 << 14;
  const Index block = std::max<Index>(1, kElements / std::max<Index>(1, from.cols));
  parallel_for(pieces(from.rows, block), [&](Index b) {
    const Index first = b * block;
    const Index count = std::min(block, from.rows - first);
    unpack_serial(from.row_range(first, count), to.row_range(first, count));
  });
}

}  // namespace lorry::ops::cpu
