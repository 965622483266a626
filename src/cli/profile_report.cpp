#include "cli/profile_report.hpp"

#include <fmt/format.h>

#include <limits>

#include "report/number.hpp"
#include "report/table.hpp"

namespace lorry::cli {

std::string profile_text(const train::Profile& profile) {
  constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();  // report::Cell shows it as a dash
  report::Table table(
      {{"part"}, {"s/step", true}, {"% of step", true}, {"GFLOP/s", true}, {"% of peak", true}});
  const auto fixed = [](double value, int decimals) {
    return report::Cell(report::format_fixed(value, decimals), value);
  };
  for (const train::Profile::Part& part : profile.parts()) {
    const bool counted = part.flops_per_second > 0;
    table.add_row({part.name, part.seconds, fixed(100.0 * part.share, 1),
                   fixed(counted ? 1e-9 * part.flops_per_second : kMissing, 1),
                   fixed(counted ? 100.0 * part.flops_per_second / profile.peak_flops : kMissing, 1)});
  }
  return fmt::format("a step takes {:.3g} s ({}); the machine's best product runs at {:.0f} GFLOP/s\n{}",
                     profile.seconds / static_cast<double>(profile.steps),
                     profile.steps == 1 ? "of one step" : fmt::format("mean of {} steps", profile.steps),
                     1e-9 * profile.peak_flops, table.to_text());
}

}  // namespace lorry::cli
