// ops/cpu/parallel.hpp: loops over independent pieces of work on OpenMP's threads. Kernels themselves are
// single-threaded; pieces are cut by shape alone, never by the number of threads, so results do not depend on
// it.
#pragma once
#include "core/index.hpp"

namespace lorry::ops::cpu {

/// Calls body(i) for i in [0, count), in any order, on all threads. body must not throw.
template <class Body>
void parallel_for(Index count, Body&& body) {
#pragma omp parallel for schedule(dynamic, 1) if (count > 1)
  for (Index i = 0; i < count; ++i) body(i);
}

/// Pieces of `size` that cover `total`.
constexpr Index pieces(Index total, Index size) {
  return (total + size - 1) / size;
}

}  // namespace lorry::ops::cpu
