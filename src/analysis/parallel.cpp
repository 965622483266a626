#include "analysis/parallel.hpp"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>

namespace lorry::analysis {

Index worker_count(Index asked) {
  return asked > 0 ? asked : omp_get_num_procs();
}

void for_each_parallel(Index count, Index threads, const std::function<void(Index, Index)>& progress,
                       const std::function<void(Index, Index)>& work) {
  std::mutex mutex;
  std::exception_ptr failure;
  Index failed_at = count;
  Index done = 0;
  std::atomic<bool> failed = false;
  const auto workers =
      static_cast<int>(std::clamp<Index>(worker_count(threads), 1, std::max<Index>(count, 1)));
#pragma omp parallel for schedule(dynamic, 1) num_threads(workers)
  for (Index i = 0; i < count; ++i) {
    if (failed) continue;
    try {
      work(i, omp_get_thread_num());
      const std::lock_guard lock(mutex);
      ++done;
      if (progress) progress(done, count);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (i < failed_at) {
        failed_at = i;
        failure = std::current_exception();
      }
      failed = true;
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace lorry::analysis
