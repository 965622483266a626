#include "model/weight_stream.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

#include "core/check.hpp"
#include "core/clock.hpp"
#include "model/on_threads.hpp"
#include "model/weight_bytes.hpp"

namespace lorry::model {

namespace {

constexpr Index kReaders = 4;                  // requests that a disk is given at once
constexpr Index kPieceBytes = Index{4} << 20;  // of one request

std::vector<Index> sizes_of(const std::vector<StreamPart>& parts) {
  std::vector<Index> bytes;
  bytes.reserve(parts.size());
  for (const StreamPart& part : parts) bytes.push_back(part.bytes());
  return bytes;
}

}  // namespace

Index StreamPart::bytes() const noexcept {
  Index sum = 0;
  for (const Range& range : ranges) sum += std::ssize(range.bytes);
  return sum;
}

WeightStream::WeightStream(std::vector<std::shared_ptr<const io::StreamedFile>> files,
                           std::vector<StreamPart> parts, Index budget,
                           std::vector<std::shared_ptr<const io::MappedFile>> mapped)
    : files_(std::move(files)),
      mapped_(std::move(mapped)),
      parts_(std::move(parts)),
      budget_(budget),
      residency_(sizes_of(parts_), budget) {
  reader_ = std::thread([this] { read_ahead(); });
}

WeightStream::~WeightStream() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  reader_.join();
}

RoundTrip WeightStream::round_trip() const {
  return model::round_trip(sizes_of(parts_), budget_);
}

void WeightStream::start_pass(std::vector<Index> order) {
  for (const auto& file : mapped_) file->advise(io::MappedFile::Advice::kDontNeed);
  {
    const std::lock_guard lock(mutex_);
    residency_.start_pass(std::move(order));
    ++totals_.passes;
  }
  changed_.notify_all();
}

void WeightStream::visit(Index part) {
  std::unique_lock lock(mutex_);
  LORRY_CHECK_EQ(residency_.go_on(), part);
  changed_.notify_all();
  const Stopwatch watch;
  changed_.wait(lock, [&] { return failure_ || residency_.ready(part); });
  totals_.waited += watch.seconds();
  if (failure_) std::rethrow_exception(failure_);
}

void WeightStream::let_go(WeightView read) const {
  model::let_go(mapped_, read);
}

WeightStream::Totals& WeightStream::Totals::operator+=(const Totals& other) {
  bytes += other.bytes;
  waited += other.waited;
  passes += other.passes;
  return *this;
}

WeightStream::Totals WeightStream::Totals::operator-(const Totals& other) const {
  return {bytes - other.bytes, waited - other.waited, passes - other.passes};
}

WeightStream::Totals WeightStream::totals() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

void WeightStream::read_ahead() {
  std::unique_lock lock(mutex_);
  for (;;) {
    std::optional<PartResidency::Load> next;
    changed_.wait(lock, [&] { return stopping_ || (!failure_ && (next = residency_.start_load())); });
    if (stopping_) return;
    for (const Index dropped : next->dropped) part(next->part).memory->take_pages(*part(dropped).memory);
    lock.unlock();
    std::exception_ptr failure;
    try {
      load(next->part);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    residency_.finish_load(next->part, !failure);
    if (failure) {
      failure_ = failure;
    } else {
      totals_.bytes += part(next->part).bytes();
    }
    changed_.notify_all();
  }
}

void WeightStream::load(Index number) const {
  std::vector<StreamPart::Range> pieces;
  for (const StreamPart::Range& range : part(number).ranges) {
    // Cut at places of the file that direct reading can begin at.
    for (Index first = 0; first < std::ssize(range.bytes);) {
      const Index offset = range.offset + first;
      const Index count = std::min(kPieceBytes - offset % kPieceBytes, std::ssize(range.bytes) - first);
      pieces.push_back(
          {range.file, offset,
           range.bytes.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count))});
      first += count;
    }
  }
  std::atomic<std::size_t> next = 0;
  on_threads(std::min<Index>(kReaders, std::ssize(pieces)), [&](Index /*reader*/) {
    for (std::size_t i = next++; i < pieces.size(); i = next++)
      pieces[i].file->read(pieces[i].offset, pieces[i].bytes);
  });
}

}  // namespace lorry::model
