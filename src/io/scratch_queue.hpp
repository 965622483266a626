// io/scratch_queue.hpp: writes and reads of a scratch file while its owner computes.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <mutex>
#include <span>
#include <thread>

#include "io/scratch_file.hpp"

namespace lorry::io {

/// Does what it is asked in that order, on a thread of its own, so that a read sees every write before it.
/// Memory of a request is the caller's to leave alone until the request is done. One caller.
class ScratchQueue {
 public:
  explicit ScratchQueue(ScratchFile file);
  ScratchQueue(const ScratchQueue&) = delete;
  ScratchQueue& operator=(const ScratchQueue&) = delete;
  /// Ends the request that is under way and forgets the others.
  ~ScratchQueue();

  /// The number of the request, counted from 1.
  Index write(Index offset, std::span<const std::byte> from);
  Index read(Index offset, std::span<std::byte> to);
  /// Until `request` is done, and all before it; at once for 0. Throws what the first one that failed threw.
  void wait(Index request);
  /// Until all are done, or one failed.
  void wait_for_all() noexcept;

  /// So far, in all.
  struct Totals {
    Index written = 0;  // bytes
    Index read = 0;     // bytes
    double waited = 0;  // seconds that the caller did

    Totals& operator+=(const Totals& other);
    [[nodiscard]] Totals operator-(const Totals& other) const;
  };
  [[nodiscard]] Totals totals() const;

 private:
  struct Request {
    Index offset = 0;
    std::span<const std::byte> from = {};  // to write; or
    std::span<std::byte> to = {};          // to fill
  };
  Index add(const Request& request);
  void work();

  ScratchFile file_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Request> requests_;  // not done yet, the first one under way
  Index done_ = 0;
  Index asked_ = 0;
  Totals totals_;
  std::exception_ptr failure_;
  bool stopping_ = false;
  std::thread worker_;
};

}  // namespace lorry::io
