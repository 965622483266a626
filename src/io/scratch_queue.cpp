#include "io/scratch_queue.hpp"

#include <utility>

#include "core/check.hpp"
#include "core/clock.hpp"

namespace lorry::io {

ScratchQueue::Totals& ScratchQueue::Totals::operator+=(const Totals& other) {
  written += other.written;
  read += other.read;
  waited += other.waited;
  return *this;
}

ScratchQueue::Totals ScratchQueue::Totals::operator-(const Totals& other) const {
  return {written - other.written, read - other.read, waited - other.waited};
}

ScratchQueue::ScratchQueue(ScratchFile file) : file_(std::move(file)), worker_([this] { work(); }) {}

ScratchQueue::~ScratchQueue() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  worker_.join();
}

Index ScratchQueue::write(Index offset, std::span<const std::byte> from) {
  return add({.offset = offset, .from = from});
}

Index ScratchQueue::read(Index offset, std::span<std::byte> to) {
  return add({.offset = offset, .to = to});
}

Index ScratchQueue::add(const Request& request) {
  const std::lock_guard lock(mutex_);
  requests_.push_back(request);
  changed_.notify_all();
  return ++asked_;
}

void ScratchQueue::wait(Index request) {
  std::unique_lock lock(mutex_);
  LORRY_CHECK(request <= asked_);
  if (done_ < request && !failure_) {
    const Stopwatch watch;
    changed_.wait(lock, [&] { return failure_ || done_ >= request; });
    totals_.waited += watch.seconds();
  }
  if (failure_) std::rethrow_exception(failure_);
}

void ScratchQueue::wait_for_all() noexcept {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return failure_ || done_ == asked_; });
}

ScratchQueue::Totals ScratchQueue::totals() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

void ScratchQueue::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || (!failure_ && !requests_.empty()); });
    if (stopping_) return;
    const Request request = requests_.front();
    lock.unlock();
    std::exception_ptr failure;
    try {
      if (!request.from.empty()) file_.write(request.offset, request.from);
      if (!request.to.empty()) file_.read(request.offset, request.to);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    requests_.pop_front();
    if (failure) {
      failure_ = failure;
    } else {
      totals_.written += std::ssize(request.from);
      totals_.read += std::ssize(request.to);
      ++done_;
    }
    changed_.notify_all();
  }
}

}  // namespace lorry::io
