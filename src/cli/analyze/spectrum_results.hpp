// cli/analyze/spectrum_results.hpp: what `lorry analyze spectrum` found, as figures per module, JSON, CSV,
// page and charts.
#pragma once
#include <string>
#include <vector>

#include "analysis/spectrum.hpp"
#include "cli/analyze/outputs.hpp"
#include "cli/analyze/report_page.hpp"
#include "cli/analyze/subjects.hpp"

namespace lorry::cli {

struct MeasuredSpectra {
  const Subject* subject = nullptr;
  double energy_share = 0.9;  // that the sufficient rank holds
  std::vector<analysis::ModuleSpectrum> modules = {};
};

Measurements measurements_of(const MeasuredSpectra& spectra);
std::vector<Measurements> measurements_of(const std::vector<MeasuredSpectra>& all);

/// What the medians say about the rank, in one sentence.
std::string rank_verdict(const MeasuredSpectra& spectra);

/// Prints all numbers as one object (docs/commands/analyze.md names its fields).
void print_spectrum_json(const std::vector<MeasuredSpectra>& all);
/// A row per number.
void write_spectrum_csv(CsvFile& csv, const std::vector<MeasuredSpectra>& all);

report::Page spectrum_page(const std::vector<MeasuredSpectra>& all, const std::vector<Subject>& subjects,
                           const std::string& command);
/// A spectrum per module, a profile per figure.
void write_spectrum_charts(Outputs& outputs, const std::vector<MeasuredSpectra>& all);

}  // namespace lorry::cli
