// Memory-bound: plain loops that the compiler vectorises. The backward pass gives each piece a range of
// columns, so that a token that occurs twice is added in row order whatever the number of threads.
#include "ops/cpu/embedding.hpp"

#include <algorithm>

#include "ops/cpu/parallel.hpp"
#include "ops/cpu/unpack.hpp"

namespace lorry::ops::cpu {
namespace {

template <class T>
void copy_row(const T* from, Index n, float* to) {
  for (Index j = 0; j < n; ++j) to[j] = to_float(from[j]);
}

void check_ids(std::span<const std::int32_t> ids, Index rows, Index vocabulary) {
  LORRY_CHECK_EQ(static_cast<Index>(ids.size()), rows);
  for (const std::int32_t id : ids) LORRY_CHECK(id >= 0 && id < vocabulary);
}

}  // namespace

void embedding(WeightView table, std::span<const std::int32_t> ids, MatrixView y) {
  LORRY_CHECK_EQ(table.cols, y.cols);
  check_ids(ids, y.rows, table.rows);
  const Index block = std::max<Index>(1, (1 << 14) / std::max<Index>(1, y.cols));
  parallel_for(pieces(y.rows, block), [&](Index b) {
    for (Index i = b * block; i < std::min(y.rows, (b + 1) * block); ++i) {
      const Index id = ids[static_cast<std::size_t>(i)];
      float* to = y.row<float>(i);
      if (table.is_packed()) {
        unpack_serial(table.row_range(id, 1), y.row_range(i, 1));
      } else if (table.is(DType::kF32)) {
        copy_row(table.dense.row<float>(id), y.cols, to);
      } else if (table.is(DType::kBF16)) {
        copy_row(table.dense.row<BF16>(id), y.cols, to);
      } else {
        copy_row(table.dense.row<F16>(id), y.cols, to);
      }
    }
  });
}

void embedding_backward(ConstMatrixView dy, std::span<const std::int32_t> ids, MatrixView dtable) {
  constexpr Index kColumns = 256;
  LORRY_CHECK_EQ(dy.cols, dtable.cols);
  check_ids(ids, dy.rows, dtable.rows);
  parallel_for(pieces(dy.cols, kColumns), [&](Index b) {
    const Index first = b * kColumns;
    const Index last = std::min(dy.cols, first + kColumns);
    for (Index i = 0; i < dy.rows; ++i) {
      const float* from = dy.row<float>(i);
      float* to = dtable.row<float>(ids[static_cast<std::size_t>(i)]);
      for (Index j = first; j < last; ++j) to[j] += from[j];
    }
  });
}

}  // namespace lorry::ops::cpu
