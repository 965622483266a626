#include "core/memory_room.hpp"

#include <algorithm>

#include "core/clock.hpp"
#include "core/machine.hpp"
#include "core/option_error.hpp"

namespace lorry {

namespace {

/// Code that has not run yet, stacks of threads, what the heap keeps.
constexpr Index kUnforeseen = Index{12} << 20;
/// By how much what a program takes before its work differs from run to run: a budget that a refusal names
/// must do the next time.
constexpr Index kVaries = Index{2} << 20;

}  // namespace

Index memory_room(Index budget) {
  return budget - resident_bytes() - kUnforeseen;
}

Index memory_room_for(std::string_view command, Index budget, Index least, std::string_view what) {
  const Index room = memory_room(budget);
  const Index itself = budget - room;  // what there is beside those bytes
  const Index peak = peak_rss_bytes();
  if (room >= least && peak <= budget) return room;
  throw OptionError(
      "[{}] --memory-budget: found {}; expected at least {}: {} of the program and what it has opened, and "
      "{} for {}",
      command, format_bytes(budget), format_bytes_up(std::max(itself + least, peak) + kVaries),
      format_bytes(std::max(itself, peak - least)), format_bytes(least), what);
}

}  // namespace lorry
