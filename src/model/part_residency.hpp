// model/part_residency.hpp: which parts of streamed weights lie in memory while passes go through them: the
// rule, without the reading.
#pragma once
#include <optional>
#include <vector>

#include "core/index.hpp"

namespace lorry::model {

/// Passes visit parts in an order that is known beforehand and comes again, so what is dropped is always the
/// part whose next visit is farthest away: a step that goes up and down turns round on the parts that are
/// still there.
class PartResidency {
 public:
  /// Bytes of each part, and of parts at once: at least those of the largest. Nothing is there at first.
  PartResidency(std::vector<Index> bytes, Index budget);

  /// Parts by their numbers as they will be visited from now on, over and over.
  void start_pass(std::vector<Index> order);
  /// Begins the next visit: of which part.
  Index go_on();
  [[nodiscard]] bool ready(Index part) const;

  /// A part to be read now, and those that made room for it.
  struct Load {
    Index part = 0;
    std::vector<Index> dropped = {};
  };
  /// The nearest part that is absent, if there is room for it or parts that are needed later can make some.
  std::optional<Load> start_load();
  /// It is there; or else could not be read.
  void finish_load(Index part, bool there);

  /// Bytes of what is there or being read.
  [[nodiscard]] Index held() const noexcept { return held_; }

 private:
  enum class State { kAbsent, kLoading, kReady };

  /// Of the part's next visit, counted from the one that is in progress; beyond the order if it has none.
  [[nodiscard]] Index distance(Index part) const;
  /// Ready parts that are needed after `distance` visits, the nearest first.
  [[nodiscard]] std::vector<Index> needed_after(Index distance) const;
  [[nodiscard]] Index bytes_of(Index part) const { return bytes_[static_cast<std::size_t>(part)]; }
  [[nodiscard]] State& state_of(Index part) { return states_[static_cast<std::size_t>(part)]; }

  std::vector<Index> bytes_;
  Index budget_;
  std::vector<State> states_;
  std::vector<Index> order_;
  Index position_ = -1;  // in order_, of the visit in progress; -1: before the first
  Index held_ = 0;
};

/// A pass through all parts and back, once such passes repeat.
struct RoundTrip {
  Index read = 0;  // bytes
  Index held = 0;  // bytes in memory at most
};
/// If reading took no time.
RoundTrip round_trip(const std::vector<Index>& bytes, Index budget);

}  // namespace lorry::model
