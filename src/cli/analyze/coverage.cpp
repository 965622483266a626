#include "cli/analyze/coverage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/output.hpp"

namespace lorry::cli {

namespace {

/// Rounded down: never more than there is.
std::string percent(double share) {
  return fmt::format("{:.1f} %", std::floor(1000.0 * share) / 10.0);
}

}  // namespace

std::string coverage_note(const analysis::Coverage& coverage) {
  if (coverage.complete) return {};
  return fmt::format("top {} directions only, {} of ‖ΔW‖²", coverage.directions, percent(coverage.energy));
}

void warn_of_cuts(const std::string& name, const std::vector<analysis::Coverage>& modules) {
  Index cut = 0;
  Index directions = 0;
  double least = 1.0;
  for (const analysis::Coverage& coverage : modules) {
    if (coverage.complete) continue;
    ++cut;
    directions = std::max(directions, coverage.directions);
    least = std::min(least, coverage.energy);
  }
  if (cut == 0) return;
  print_note(fmt::format(
      "warning: {}: {} of {} modules are large and of high rank: of them the top {} directions were "
      "computed, which hold at least {} of ‖ΔW‖²",
      name, cut, modules.size(), directions, percent(least)));
}

}  // namespace lorry::cli
