// ops/reference/embedding.hpp: the specification of the table look-up.
#pragma once
#include <cstdint>
#include <span>

#include "ops/reference/dense.hpp"

namespace lorry::ops::reference {

template <class T>
Dense<T> embedding(const Dense<T>& table, std::span<const std::int32_t> ids) {
  Dense<T> y(static_cast<Index>(ids.size()), table.cols);
  for (Index i = 0; i < y.rows; ++i) {
    for (Index j = 0; j < y.cols; ++j) y(i, j) = table(ids[static_cast<std::size_t>(i)], j);
  }
  return y;
}

}  // namespace lorry::ops::reference
