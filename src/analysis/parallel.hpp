// analysis/parallel.hpp: modules side by side. Each piece of work runs on one thread, so results do not
// depend on the number of threads.
#pragma once
#include <functional>
#include <vector>

#include "core/index.hpp"

namespace lorry::analysis {

/// How many threads `asked` means: itself, or one per processor for 0.
Index worker_count(Index asked);

/// What pieces of work take of a memory that they share.
struct MemoryShares {
  std::vector<Index> bytes = {};  // of each piece, none above room; empty: no limit
  Index room = 0;                 // for those that run at once
};

/// Calls work(i, worker) for every i in [0, count), worker in [0, worker_count(threads)); no two calls with
/// the same worker at once. progress(done, count) follows each, from one thread at a time; may be empty.
/// After an exception no further work starts, and the one of the lowest i that failed is thrown. Work whose
/// share of the memory is not free waits for others to end.
void for_each_parallel(Index count, Index threads, const std::function<void(Index, Index)>& progress,
                       const std::function<void(Index, Index)>& work, const MemoryShares& memory = {});

}  // namespace lorry::analysis
