#include "model/part_residency.hpp"

#include <algorithm>
#include <utility>

#include "core/check.hpp"

namespace lorry::model {

PartResidency::PartResidency(std::vector<Index> bytes, Index budget)
    : bytes_(std::move(bytes)), budget_(budget), states_(bytes_.size(), State::kAbsent) {
  for (const Index part : bytes_) LORRY_CHECK(part <= budget_);
}

void PartResidency::start_pass(std::vector<Index> order) {
  order_ = std::move(order);
  position_ = -1;
}

Index PartResidency::go_on() {
  LORRY_CHECK(!order_.empty());
  position_ = position_ + 1 == std::ssize(order_) ? 0 : position_ + 1;
  return order_[static_cast<std::size_t>(position_)];
}

bool PartResidency::ready(Index part) const {
  return states_[static_cast<std::size_t>(part)] == State::kReady;
}

std::optional<PartResidency::Load> PartResidency::start_load() {
  for (Index d = 0; d < std::ssize(order_); ++d) {
    const Index at = (std::max<Index>(position_, 0) + d) % std::ssize(order_);
    const Index wanted = order_[static_cast<std::size_t>(at)];
    if (state_of(wanted) != State::kAbsent) continue;
    std::vector<Index> later = needed_after(d);
    Index free = budget_ - held_;
    for (const Index other : later) free += bytes_of(other);
    if (free < bytes_of(wanted)) return std::nullopt;
    Load load = {.part = wanted};
    while (held_ + bytes_of(wanted) > budget_) {
      const Index farthest = later.back();
      later.pop_back();
      state_of(farthest) = State::kAbsent;
      held_ -= bytes_of(farthest);
      load.dropped.push_back(farthest);
    }
    state_of(wanted) = State::kLoading;
    held_ += bytes_of(wanted);
    return load;
  }
  return std::nullopt;
}

void PartResidency::finish_load(Index part, bool there) {
  state_of(part) = there ? State::kReady : State::kAbsent;
  if (!there) held_ -= bytes_of(part);
}

Index PartResidency::distance(Index part) const {
  const Index count = std::ssize(order_);
  for (Index d = 0; d < count; ++d) {
    const Index at = (std::max<Index>(position_, 0) + d) % count;
    if (order_[static_cast<std::size_t>(at)] == part) return d;
  }
  return count;
}

std::vector<Index> PartResidency::needed_after(Index distance_to) const {
  std::vector<std::pair<Index, Index>> later;  // distances, and parts
  for (Index part = 0; part < std::ssize(states_); ++part) {
    if (!ready(part)) continue;
    const Index away = distance(part);
    if (away > distance_to) later.emplace_back(away, part);
  }
  std::sort(later.begin(), later.end());
  std::vector<Index> parts;
  parts.reserve(later.size());
  for (const auto& [away, part] : later) parts.push_back(part);
  return parts;
}

RoundTrip round_trip(const std::vector<Index>& bytes, Index budget) {
  constexpr int kPasses = 3;  // the first one fills the memory
  std::vector<Index> order;
  for (Index part = 0; part < std::ssize(bytes); ++part) order.push_back(part);
  for (Index part = std::ssize(bytes) - 2; part >= 0; --part) order.push_back(part);
  PartResidency residency(bytes, budget);
  RoundTrip trip;
  for (int pass = 0; pass < kPasses; ++pass) {
    trip.read = 0;
    residency.start_pass(order);
    for (std::size_t visit = 0; visit < order.size(); ++visit) {
      residency.go_on();
      while (const auto load = residency.start_load()) {
        residency.finish_load(load->part, true);
        trip.read += bytes[static_cast<std::size_t>(load->part)];
        trip.held = std::max(trip.held, residency.held());
      }
    }
  }
  return trip;
}

}  // namespace lorry::model
