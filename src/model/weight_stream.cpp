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
      states_(parts_.size()) {
  for (const StreamPart& part : parts_) LORRY_CHECK(part.bytes() <= budget_);
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

Index WeightStream::held() const noexcept {
  return std::min(budget_, all_bytes());
}

Index WeightStream::round_trip_bytes() const noexcept {
  return 2 * std::max<Index>(0, all_bytes() - budget_);
}

Index WeightStream::all_bytes() const noexcept {
  Index sum = 0;
  for (const StreamPart& part : parts_) sum += part.bytes();
  return sum;
}

void WeightStream::start_pass(std::vector<Index> order) {
  for (const auto& file : mapped_) file->advise(io::MappedFile::Advice::kDontNeed);
  {
    const std::lock_guard lock(mutex_);
    order_ = std::move(order);
    position_ = -1;
    ++totals_.passes;
  }
  changed_.notify_all();
}

void WeightStream::visit(Index part) {
  std::unique_lock lock(mutex_);
  position_ = position_ + 1 == std::ssize(order_) ? 0 : position_ + 1;
  LORRY_CHECK_EQ(order_[static_cast<std::size_t>(position_)], part);
  changed_.notify_all();
  const Stopwatch watch;
  changed_.wait(lock, [&] { return failure_ || states_[static_cast<std::size_t>(part)] == State::kReady; });
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

Index WeightStream::distance(Index part) const {
  const Index count = std::ssize(order_);
  for (Index d = 0; d < count; ++d) {
    const Index at = (std::max<Index>(position_, 0) + d) % count;
    if (order_[static_cast<std::size_t>(at)] == part) return d;
  }
  return count;
}

Index WeightStream::choose() {
  for (Index d = 0; d < std::ssize(order_); ++d) {
    const Index at = (std::max<Index>(position_, 0) + d) % std::ssize(order_);
    const Index wanted = order_[static_cast<std::size_t>(at)];
    if (states_[static_cast<std::size_t>(wanted)] != State::kAbsent) continue;
    return make_room(wanted, d) ? wanted : -1;
  }
  return -1;
}

bool WeightStream::make_room(Index part, Index distance_to_it) {
  const StreamPart& wanted = parts_[static_cast<std::size_t>(part)];
  std::vector<std::pair<Index, Index>> later;  // distances of ready parts that are needed after it
  Index free = budget_ - held_;
  for (Index other = 0; other < std::ssize(parts_); ++other) {
    if (states_[static_cast<std::size_t>(other)] != State::kReady) continue;
    const Index away = distance(other);
    if (away <= distance_to_it) continue;
    later.emplace_back(away, other);
    free += parts_[static_cast<std::size_t>(other)].bytes();
  }
  if (free < wanted.bytes()) return false;
  std::sort(later.begin(), later.end());
  while (held_ + wanted.bytes() > budget_) {
    const auto farthest = static_cast<std::size_t>(later.back().second);
    later.pop_back();
    wanted.memory->take_pages(*parts_[farthest].memory);
    states_[farthest] = State::kAbsent;
    held_ -= parts_[farthest].bytes();
  }
  return true;
}

void WeightStream::read_ahead() {
  std::unique_lock lock(mutex_);
  for (;;) {
    Index next = -1;
    changed_.wait(lock, [&] { return stopping_ || (!failure_ && (next = choose()) >= 0); });
    if (stopping_) return;
    const auto at = static_cast<std::size_t>(next);
    states_[at] = State::kLoading;
    held_ += parts_[at].bytes();
    lock.unlock();
    std::exception_ptr failure;
    try {
      load(next);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    states_[at] = failure ? State::kAbsent : State::kReady;
    if (failure) {
      held_ -= parts_[at].bytes();
      failure_ = failure;
    } else {
      totals_.bytes += parts_[at].bytes();
    }
    changed_.notify_all();
  }
}

void WeightStream::load(Index part) const {
  std::vector<StreamPart::Range> pieces;
  for (const StreamPart::Range& range : parts_[static_cast<std::size_t>(part)].ranges) {
    for (std::size_t first = 0; first < range.bytes.size(); first += kPieceBytes) {
      const std::size_t count = std::min<std::size_t>(kPieceBytes, range.bytes.size() - first);
      pieces.push_back(
          {range.file, range.offset + static_cast<Index>(first), range.bytes.subspan(first, count)});
    }
  }
  std::atomic<std::size_t> next = 0;
  on_threads(std::min<Index>(kReaders, std::ssize(pieces)), [&](Index /*reader*/) {
    for (std::size_t i = next++; i < pieces.size(); i = next++)
      pieces[i].file->read(pieces[i].offset, pieces[i].bytes);
  });
}

}  // namespace lorry::model
