// cli/analyze/amplification_results.hpp: what `lorry analyze amplification` found, as figures per module,
// JSON, CSV, page and charts.
#pragma once
#include <string>
#include <vector>

#include "analysis/amplification.hpp"
#include "cli/analyze/outputs.hpp"
#include "cli/analyze/report_page.hpp"
#include "cli/analyze/subjects.hpp"

namespace lorry::cli {

struct MeasuredAmplification {
  const Subject* subject = nullptr;
  analysis::AmplificationReport report = {};
  double seconds = 0;           // that it took
  bool all_directions = false;  // --rank did not choose
  Index random_seeds = 0;
};

Measurements measurements_of(const MeasuredAmplification& measured);
std::vector<Measurements> measurements_of(const std::vector<MeasuredAmplification>& all);

/// What the medians say, in one sentence.
std::string amplification_verdict(const MeasuredAmplification& measured);

/// What was computed on how many bytes, and how fast.
std::string work_line(const MeasuredAmplification& measured);

/// Prints all numbers as one object (docs/commands/analyze.md names its fields).
void print_amplification_json(const std::vector<MeasuredAmplification>& all, std::uint64_t seed);
/// A row per number.
void write_amplification_csv(CsvFile& csv, const std::vector<MeasuredAmplification>& all);

report::Page amplification_page(const std::vector<MeasuredAmplification>& all,
                                const std::vector<Subject>& subjects, const std::string& command,
                                const Facts& more);
/// Figure 8 per module, left and right, and a profile per figure.
void write_amplification_charts(Outputs& outputs, const std::vector<MeasuredAmplification>& all);

}  // namespace lorry::cli
