// bench/matmul_peak.hpp: what oneDNN's matrix product reaches on this machine, called directly.
#pragma once
#include <vector>

#include "core/index.hpp"
#include "tensor/dtype.hpp"

namespace lorry::bench {

/// c [m,n] = a [m,k] b [k,n]; weights lie as [n,k] (as in model files) if transposed.
struct Product {
  Index m, n, k;
  bool transposed;
};

/// One timed product: repeats it for `seconds` and gives FLOP/s (2 m n k per product).
double measure_product(const Product& product, DType dtype, double seconds);

/// The best of several large products, each measured for `seconds`.
double measure_peak(DType dtype, double seconds);

}  // namespace lorry::bench
