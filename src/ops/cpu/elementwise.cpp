#include "ops/cpu/elementwise.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/elementwise.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include <algorithm>

#include "ops/cpu/parallel.hpp"
#include "ops/cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

void copy_rows(ConstMatrixView from, MatrixView to) {
  with_type(from.dtype, [&]<class From>(From /*tag*/) HWY_ATTR {
    with_type(to.dtype, [&]<class To>(To /*tag*/) HWY_ATTR {
      for (Index i = 0; i < from.rows; ++i) {
        const From* x = from.row<From>(i);
        To* y = to.row<To>(i);
        for_each_vector(from.cols,
                        [&](Index j, Index count) HWY_ATTR { store(load(x + j, count), y + j, count); });
      }
    });
  });
}

void add_rows(ConstMatrixView x, float alpha, MatrixView y) {
  const FloatVec factor = splat(alpha);
  with_type(x.dtype, [&]<class X>(X /*tag*/) HWY_ATTR {
    with_type(y.dtype, [&]<class Y>(Y /*tag*/) HWY_ATTR {
      for (Index i = 0; i < x.rows; ++i) {
        const X* from = x.row<X>(i);
        Y* to = y.row<Y>(i);
        for_each_vector(x.cols, [&](Index j, Index count) HWY_ATTR {
          store(hn::MulAdd(factor, load(from + j, count), load(to + j, count)), to + j, count);
        });
      }
    });
  });
}

/// sums += the columns of dy.
void add_column_sums(ConstMatrixView dy, float* sums) {
  with_type(dy.dtype, [&]<class T>(T /*tag*/) HWY_ATTR {
    for (Index i = 0; i < dy.rows; ++i) {
      const T* from = dy.row<T>(i);
      for_each_vector(dy.cols, [&](Index j, Index count) HWY_ATTR {
        store(hn::Add(load(sums + j, count), load(from + j, count)), sums + j, count);
      });
    }
  });
}

void scale_column_rows(ConstMatrixView x, const float* factors, MatrixView y) {
  with_type(x.dtype, [&]<class X>(X /*tag*/) HWY_ATTR {
    with_type(y.dtype, [&]<class Y>(Y /*tag*/) HWY_ATTR {
      for (Index i = 0; i < x.rows; ++i) {
        const X* from = x.row<X>(i);
        Y* to = y.row<Y>(i);
        for_each_vector(x.cols, [&](Index j, Index count) HWY_ATTR {
          store(hn::Mul(load(from + j, count), load(factors + j, count)), to + j, count);
        });
      }
    });
  });
}

/// sums += the columns of a * b.
void add_product_sums(ConstMatrixView a, ConstMatrixView b, float* sums) {
  with_type(a.dtype, [&]<class A>(A /*tag*/) HWY_ATTR {
    with_type(b.dtype, [&]<class B>(B /*tag*/) HWY_ATTR {
      for (Index i = 0; i < a.rows; ++i) {
        const A* x = a.row<A>(i);
        const B* y = b.row<B>(i);
        for_each_vector(a.cols, [&](Index j, Index count) HWY_ATTR {
          store(hn::MulAdd(load(x + j, count), load(y + j, count), load(sums + j, count)), sums + j, count);
        });
      }
    });
  });
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lorry::ops::cpu {

HWY_EXPORT(copy_rows);
HWY_EXPORT(add_rows);
HWY_EXPORT(add_column_sums);
HWY_EXPORT(scale_column_rows);
HWY_EXPORT(add_product_sums);

namespace {
constexpr Index kColPiece = 1024;

void check_same_shape(ConstMatrixView a, ConstMatrixView b) {
  LORRY_CHECK_EQ(a.rows, b.rows);
  LORRY_CHECK_EQ(a.cols, b.cols);
}

constexpr Index kTile = 64;  // rows and columns that are transposed at once

/// Bytes of one element moved as they are; the tile is converted already. It is turned in a buffer of its
/// own: rows of `to` often lie a power of two apart, and then fall on the same few cache lines.
template <class T>
void transpose_elements(ConstMatrixView from, MatrixView to) {
  alignas(64) T turned[kTile * kTile];
  for (Index i = 0; i < from.rows; ++i) {
    const T* x = from.row<T>(i);
    for (Index j = 0; j < from.cols; ++j) turned[j * kTile + i] = x[j];
  }
  for (Index j = 0; j < from.cols; ++j) std::copy_n(turned + j * kTile, from.rows, to.row<T>(j));
}

void transpose_tile(ConstMatrixView from, MatrixView to) {
  constexpr Index kTileBytes = kTile * kTile * 4;
  alignas(64) std::byte converted[kTileBytes];
  if (from.dtype != to.dtype) {
    const MatrixView tile = {converted, from.rows, from.cols, from.cols, to.dtype};
    copy_serial(from, tile);
    from = tile;
  }
  if (to.dtype == DType::kF32) return transpose_elements<float>(from, to);
  if (to.dtype == DType::kBF16) return transpose_elements<BF16>(from, to);
  transpose_elements<F16>(from, to);
}
}  // namespace

void copy_serial(ConstMatrixView from, MatrixView to) {
  check_same_shape(from, to);
  HWY_DYNAMIC_DISPATCH(copy_rows)(from, to);
}

void copy(ConstMatrixView from, MatrixView to) {
  check_same_shape(from, to);
  parallel_tiles(from.rows, from.cols, [&](Index row, Index rows, Index col, Index cols) {
    HWY_DYNAMIC_DISPATCH(copy_rows)
    (from.row_range(row, rows).col_range(col, cols), to.row_range(row, rows).col_range(col, cols));
  });
}

void add_serial(ConstMatrixView x, float alpha, MatrixView y) {
  check_same_shape(x, y);
  HWY_DYNAMIC_DISPATCH(add_rows)(x, alpha, y);
}

void add(ConstMatrixView x, float alpha, MatrixView y) {
  check_same_shape(x, y);
  parallel_tiles(x.rows, x.cols, [&](Index row, Index rows, Index col, Index cols) {
    HWY_DYNAMIC_DISPATCH(add_rows)
    (x.row_range(row, rows).col_range(col, cols), alpha, y.row_range(row, rows).col_range(col, cols));
  });
}

void add_bias(ConstMatrixView bias, MatrixView y) {
  LORRY_CHECK_EQ(bias.rows, 1);
  LORRY_CHECK_EQ(bias.cols, y.cols);
  parallel_tiles(y.rows, y.cols, [&](Index row, Index rows, Index col, Index cols) {
    ConstMatrixView every_row = bias.col_range(col, cols);
    every_row.rows = rows;
    every_row.stride = 0;  // the one row of bias again and again
    HWY_DYNAMIC_DISPATCH(add_rows)(every_row, 1.0F, y.row_range(row, rows).col_range(col, cols));
  });
}

void add_bias_backward(ConstMatrixView dy, MatrixView dbias) {
  LORRY_CHECK_EQ(dbias.rows, 1);
  LORRY_CHECK_EQ(dbias.cols, dy.cols);
  parallel_for(pieces(dy.cols, kColPiece), [&](Index piece) {
    const Index col = piece * kColPiece;
    const Index cols = std::min(kColPiece, dy.cols - col);
    HWY_DYNAMIC_DISPATCH(add_column_sums)(dy.col_range(col, cols), dbias.row<float>(0) + col);
  });
}

void scale_columns(ConstMatrixView x, ConstMatrixView factors, MatrixView y) {
  check_same_shape(x, y);
  LORRY_CHECK_EQ(factors.rows, 1);
  LORRY_CHECK_EQ(factors.cols, x.cols);
  parallel_tiles(x.rows, x.cols, [&](Index row, Index rows, Index col, Index cols) {
    HWY_DYNAMIC_DISPATCH(scale_column_rows)
    (x.row_range(row, rows).col_range(col, cols), factors.row<float>(0) + col,
     y.row_range(row, rows).col_range(col, cols));
  });
}

void add_column_products(ConstMatrixView a, ConstMatrixView b, MatrixView sums) {
  check_same_shape(a, b);
  LORRY_CHECK_EQ(sums.rows, 1);
  LORRY_CHECK_EQ(sums.cols, a.cols);
  parallel_for(pieces(a.cols, kColPiece), [&](Index piece) {
    const Index col = piece * kColPiece;
    const Index cols = std::min(kColPiece, a.cols - col);
    HWY_DYNAMIC_DISPATCH(add_product_sums)
    (a.col_range(col, cols), b.col_range(col, cols), sums.row<float>(0) + col);
  });
}

void transpose(ConstMatrixView from, MatrixView to) {
  LORRY_CHECK_EQ(from.rows, to.cols);
  LORRY_CHECK_EQ(from.cols, to.rows);
  const Index across = pieces(from.cols, kTile);
  parallel_for(pieces(from.rows, kTile) * across, [&](Index tile) {
    const Index row = tile / across * kTile;
    const Index rows = std::min(kTile, from.rows - row);
    const Index col = tile % across * kTile;
    const Index cols = std::min(kTile, from.cols - col);
    transpose_tile(from.row_range(row, rows).col_range(col, cols),
                   to.row_range(col, cols).col_range(row, rows));
  });
}

}  // namespace lorry::ops::cpu
#endif  // HWY_ONCE
