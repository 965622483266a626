// analysis/parallel.hpp: modules side by side. Each piece of work runs on one thread, so results do not
// depend on the number of threads.
#pragma once
#include <functional>

#include "core/index.hpp"

namespace lorry::analysis {

/// How many threads `asked` means: itself, or one per processor for 0.
Index worker_count(Index asked);

/// Calls work(i, worker) for every i in [0, count), worker in [0, worker_count(threads)); no two calls with
/// the same worker at once. progress(done, count) follows each, from one thread at a time; may be empty.
/// After an exception no further work starts, and the one of the lowest i that failed is thrown.
void for_each_parallel(Index count, Index threads, const std::function<void(Index, Index)>& progress,
                       const std::function<void(Index, Index)>& work);

}  // namespace lorry::analysis
