// bench/matmul_peak.hpp: what oneDNN's matrix product reaches on this machine, called directly.
#pragma once
#include <vector>

#include "core/index.hpp"
#include "tensor/matrix.hpp"

namespace lorry::bench {

/// c [m,n] = a [m,k] b [k,n]; weights lie as [n,k] (as in model files) if transposed.
struct Product {
  Index m, n, k;
  bool transposed;
};

/// Whether oneDNN multiplies this type on this machine at all; BF16 needs AVX-512. kU8: bytes by signed
/// bytes, summed in 32 bits.
bool has_product(DType dtype);

/// One product repeated on the same operands for `seconds`: FLOP/s (2 m n k per product).
double measure_product(const Product& product, DType dtype, double seconds);

/// The best of several large products, each measured for `seconds`: the machine's ceiling.
double measure_peak(DType dtype, double seconds);

/// All products of one LoRA step of `rows` tokens, x W^T and then dy W for every weight where it lies:
/// FLOP/s. What oneDNN alone makes of the step's work, weights read from memory as a model reads them.
double measure_step_products(const std::vector<ConstMatrixView>& weights, Index rows);

}  // namespace lorry::bench
