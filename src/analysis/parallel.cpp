#include "analysis/parallel.hpp"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>

#include "core/check.hpp"

namespace lorry::analysis {

namespace {

/// Hands out shares.
class SharedMemory {
 public:
  explicit SharedMemory(const MemoryShares& shares) : shares_(shares) {}

  void take(Index i) {
    if (shares_.bytes.empty()) return;
    const Index bytes = shares_.bytes[static_cast<std::size_t>(i)];
    LORRY_CHECK(bytes <= shares_.room);
    std::unique_lock lock(mutex_);
    freed_.wait(lock, [&] { return taken_ + bytes <= shares_.room; });
    taken_ += bytes;
  }
  void give_back(Index i) {
    if (shares_.bytes.empty()) return;
    {
      const std::lock_guard lock(mutex_);
      taken_ -= shares_.bytes[static_cast<std::size_t>(i)];
    }
    freed_.notify_all();
  }

 private:
  const MemoryShares& shares_;
  std::mutex mutex_;
  std::condition_variable freed_;
  Index taken_ = 0;
};

/// One share, for as long as this lives.
class Share {
 public:
  Share(SharedMemory& memory, Index i) : memory_(memory), i_(i) { memory_.take(i_); }
  ~Share() { memory_.give_back(i_); }
  Share(const Share&) = delete;
  Share& operator=(const Share&) = delete;

 private:
  SharedMemory& memory_;
  Index i_;
};

}  // namespace

Index worker_count(Index asked) {
  return asked > 0 ? asked : omp_get_num_procs();
}

void for_each_parallel(Index count, Index threads, const std::function<void(Index, Index)>& progress,
                       const std::function<void(Index, Index)>& work, const MemoryShares& memory) {
  LORRY_CHECK(memory.bytes.empty() || std::ssize(memory.bytes) == count);
  SharedMemory shared(memory);
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
      const Share share(shared, i);
      if (failed) continue;  // while it waited
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
