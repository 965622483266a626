// model/on_threads.hpp: pieces of work side by side, without a pool: for work of milliseconds and more.
#pragma once
#include <algorithm>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

#include "core/check.hpp"
#include "core/index.hpp"

namespace lorry::model {

/// One per processor for 0.
inline Index thread_count(Index asked) {
  return asked > 0 ? asked : std::max<Index>(1, static_cast<Index>(std::thread::hardware_concurrency()));
}

/// Calls work(i) for every i in [0, count), each on a thread of its own. Once all have ended, throws what the
/// lowest i threw.
inline void on_threads(Index count, const std::function<void(Index)>& work) {
  if (count == 1) return work(0);
  std::vector<std::exception_ptr> failures(static_cast<std::size_t>(count));
  std::vector<std::thread> threads;
  for (Index i = 0; i < count; ++i) {
    threads.emplace_back([&, i] {
      try {
        work(i);
      } catch (...) {
        failures[static_cast<std::size_t>(i)] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

}  // namespace lorry::model
