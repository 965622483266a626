// Element by element; outputs may be the inputs, so every element is read before it is written. GELU uses
// (1 + tanh(u)) / 2 = sigmoid(2u), which keeps its relative accuracy where 1 + tanh(u) would cancel.
#include "ops/cpu/activations.hpp"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/activations.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/parallel.hpp"
#include "ops/cpu/rows-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

constexpr float kGeluScale =
    1.5957691216F;  // 2 sqrt(2/pi): gelu(x) = x sigmoid(kGeluScale (x + kGeluCube x^3))
constexpr float kGeluCube = 0.044715F;

/// Calls body(tag, row, first col, last col) with tag of the view's type for pieces that cover it.
template <class Body>
void for_each_piece(ConstMatrixView view, Body&& body) {
  constexpr Index kPieceCols = 1 << 13;  // one row may hold a whole layer's activations
  const Index across = pieces(view.cols, kPieceCols);
  const Index down = std::max<Index>(1, kPieceCols / std::max<Index>(1, view.cols));
  parallel_for(across * pieces(view.rows, down), [&](Index p) HWY_ATTR {
    const Index first = p % across * kPieceCols;
    const Index last = std::min(view.cols, first + kPieceCols);
    with_type(view.dtype, [&]<class T>(T tag) HWY_ATTR {
      const Index begin = p / across * down;
      for (Index i = begin; i < std::min(view.rows, begin + down); ++i) body(tag, i, first, last);
    });
  });
}

void swiglu_all(ConstMatrixView gate, ConstMatrixView up, MatrixView y) {
  for_each_piece(gate, [&]<class T>(T /*tag*/, Index i, Index first, Index last) HWY_ATTR {
    const T* g_row = gate.row<T>(i) + first;
    const T* u_row = up.row<T>(i) + first;
    T* y_row = y.row<T>(i) + first;
    for_each_vector(last - first, [&](Index j, Index n) HWY_ATTR {
      const FloatVec g = load(g_row + j, n);
      store(hn::Mul(hn::Mul(g, sigmoid(g)), load(u_row + j, n)), y_row + j, n);
    });
  });
}

void swiglu_backward_all(ConstMatrixView gate, ConstMatrixView up, ConstMatrixView dy, MatrixView dgate,
                         MatrixView dup) {
  for_each_piece(gate, [&]<class T>(T /*tag*/, Index i, Index first, Index last) HWY_ATTR {
    const T* g_row = gate.row<T>(i) + first;
    const T* u_row = up.row<T>(i) + first;
    const T* dy_row = dy.row<T>(i) + first;
    T* dg_row = dgate.row<T>(i) + first;
    T* du_row = dup.row<T>(i) + first;
    for_each_vector(last - first, [&](Index j, Index n) HWY_ATTR {
      const FloatVec g = load(g_row + j, n);
      const FloatVec d = load(dy_row + j, n);
      const FloatVec u = load(u_row + j, n);
      const FloatVec s = sigmoid(g);
      const FloatVec silu = hn::Mul(g, s);
      const FloatVec slope = hn::MulAdd(silu, hn::Sub(splat(1.0F), s), s);
      store(hn::Mul(hn::Mul(d, u), slope), dg_row + j, n);
      store(hn::Mul(d, silu), du_row + j, n);
    });
  });
}

/// sigmoid(2u) with u = sqrt(2/pi) (x + kGeluCube x^3).
HWY_INLINE FloatVec gelu_gate(FloatVec x, FloatVec square) {
  const FloatVec inner = hn::MulAdd(splat(kGeluScale * kGeluCube), square, splat(kGeluScale));
  return sigmoid(hn::Mul(x, inner));
}

void gelu_all(ConstMatrixView x, MatrixView y) {
  for_each_piece(x, [&]<class T>(T /*tag*/, Index i, Index first, Index last) HWY_ATTR {
    const T* x_row = x.row<T>(i) + first;
    T* y_row = y.row<T>(i) + first;
    for_each_vector(last - first, [&](Index j, Index n) HWY_ATTR {
      const FloatVec v = load(x_row + j, n);
      store(hn::Mul(v, gelu_gate(v, hn::Mul(v, v))), y_row + j, n);
    });
  });
}

void gelu_backward_all(ConstMatrixView x, ConstMatrixView dy, MatrixView dx) {
  for_each_piece(x, [&]<class T>(T /*tag*/, Index i, Index first, Index last) HWY_ATTR {
    const T* x_row = x.row<T>(i) + first;
    const T* dy_row = dy.row<T>(i) + first;
    T* dx_row = dx.row<T>(i) + first;
    for_each_vector(last - first, [&](Index j, Index n) HWY_ATTR {
      const FloatVec v = load(x_row + j, n);
      const FloatVec square = hn::Mul(v, v);
      const FloatVec s = gelu_gate(v, square);
      const FloatVec inner = hn::MulAdd(splat(3.0F * kGeluScale * kGeluCube), square, splat(kGeluScale));
      const FloatVec bend = hn::Mul(hn::Mul(v, s), hn::Sub(splat(1.0F), s));
      store(hn::Mul(load(dy_row + j, n), hn::MulAdd(bend, inner, s)), dx_row + j, n);
    });
  });
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lorry::ops::cpu {
HWY_EXPORT(swiglu_all);
HWY_EXPORT(swiglu_backward_all);
HWY_EXPORT(gelu_all);
HWY_EXPORT(gelu_backward_all);

namespace {

void check_same(ConstMatrixView a, ConstMatrixView b) {
  LORRY_CHECK_EQ(a.rows, b.rows);
  LORRY_CHECK_EQ(a.cols, b.cols);
  LORRY_CHECK(a.dtype == b.dtype);
}

}  // namespace

void swiglu(ConstMatrixView gate, ConstMatrixView up, MatrixView y) {
  check_same(gate, up);
  check_same(gate, y);
  HWY_DYNAMIC_DISPATCH(swiglu_all)(gate, up, y);
}

void swiglu_backward(ConstMatrixView gate, ConstMatrixView up, ConstMatrixView dy, MatrixView dgate,
                     MatrixView dup) {
  check_same(gate, up);
  check_same(gate, dy);
  check_same(gate, dgate);
  check_same(gate, dup);
  HWY_DYNAMIC_DISPATCH(swiglu_backward_all)(gate, up, dy, dgate, dup);
}

void gelu_tanh(ConstMatrixView x, MatrixView y) {
  check_same(x, y);
  HWY_DYNAMIC_DISPATCH(gelu_all)(x, y);
}

void gelu_tanh_backward(ConstMatrixView x, ConstMatrixView dy, MatrixView dx) {
  check_same(x, dy);
  check_same(x, dx);
  HWY_DYNAMIC_DISPATCH(gelu_backward_all)(x, dy, dx);
}

}  // namespace lorry::ops::cpu
#endif
