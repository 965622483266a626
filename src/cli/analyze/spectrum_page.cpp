#include <fmt/format.h>

#include <algorithm>

#include "cli/analyze/page_budget.hpp"
#include "cli/analyze/spectrum_results.hpp"

namespace lorry::cli {

namespace {

/// What is drawn over k: σ_k, or the share of ‖ΔW‖² that the top k hold.
enum class Curve { kSingularValues, kEnergy };

const std::vector<double>& values_of(const analysis::ModuleSpectrum& module, Curve curve) {
  return curve == Curve::kEnergy ? module.figures.energy : module.singular_values;
}

report::Series series_of(std::string name, const analysis::ModuleSpectrum& module, Curve curve) {
  report::Series series{.name = std::move(name), .y = values_of(module, curve)};
  for (std::size_t k = 0; k < series.y.size(); ++k) series.x.push_back(static_cast<double>(k + 1));
  return series;
}

report::LineChart frame(std::string title, Curve curve) {
  report::LineChart chart{.title = std::move(title), .x = {.label = "k"}};
  if (curve == Curve::kEnergy) {
    chart.y = {.label = "share of ‖ΔW‖² in the top k", .low = 0, .high = 1};
  } else {
    chart.y = {.label = "σ_k", .scale = report::Scale::kLog};
  }
  return chart;
}

/// One chart for one module: a line per subject.
report::LineChart module_chart(const std::vector<MeasuredSpectra>& all, const std::string& module,
                               Curve curve) {
  report::LineChart chart =
      frame(curve == Curve::kEnergy ? "energy of the top k" : "singular values of ΔW", curve);
  for (const MeasuredSpectra& spectra : all) {
    for (const analysis::ModuleSpectrum& found : spectra.modules) {
      if (found.info.module != module || found.singular_values.empty()) continue;
      chart.series.push_back(series_of(all.size() > 1 ? spectra.subject->name : "", found, curve));
    }
  }
  return chart;
}

/// Medians over the layers, a line per module type.
report::LineChart type_chart(const MeasuredSpectra& spectra, Curve curve) {
  report::LineChart chart = frame(spectra.subject->name, curve);
  const Measurements figures = measurements_of(spectra);
  const auto types = by_type(figures);
  for (const auto& [type, group] : types) {
    std::vector<std::vector<double>> columns;  // per k, the values of all layers
    for (const analysis::ModuleSpectrum& module : spectra.modules) {
      if (model::place_of(module.info.module).type != type) continue;
      const std::vector<double>& values = values_of(module, curve);
      if (values.size() > columns.size()) columns.resize(values.size());
      for (std::size_t k = 0; k < values.size(); ++k) columns[k].push_back(values[k]);
    }
    report::Series series{.name = short_type(type, types)};
    for (std::size_t k = 0; k < columns.size(); ++k) {
      series.x.push_back(static_cast<double>(k + 1));
      series.y.push_back(median(columns[k]));
    }
    if (!series.x.empty()) chart.series.push_back(std::move(series));
  }
  return chart;
}

/// Every module that any subject has, in order.
std::vector<std::string> module_names(const std::vector<MeasuredSpectra>& all) {
  std::vector<std::string> names;
  for (const MeasuredSpectra& spectra : all) {
    for (const analysis::ModuleSpectrum& module : spectra.modules) {
      if (std::find(names.begin(), names.end(), module.info.module) == names.end()) {
        names.push_back(module.info.module);
      }
    }
  }
  return names;
}

std::string note_of(const std::vector<MeasuredSpectra>& all, const std::string& module) {
  std::string notes;
  for (const MeasuredSpectra& spectra : all) {
    for (const analysis::ModuleSpectrum& found : spectra.modules) {
      if (found.info.module != module || found.note.empty()) continue;
      notes += fmt::format("{}{}: {}", notes.empty() ? "" : "; ", spectra.subject->name, found.note);
    }
  }
  return notes;
}

void add_spectra(report::Content& content, const std::vector<MeasuredSpectra>& all) {
  content.paragraph(
      "Left, the singular values of ΔW in descending order: a steep fall means that few directions carry the "
      "update. "
      "Right, the share of ‖ΔW‖² that the top k hold together. Medians over the layers, a line per module "
      "type.");
  for (const MeasuredSpectra& spectra : all) {
    content.charts({report::to_svg(type_chart(spectra, Curve::kSingularValues)),
                    report::to_svg(type_chart(spectra, Curve::kEnergy))});
  }
}

/// Two curves of every subject.
Index cells_of(const std::vector<MeasuredSpectra>& all, const std::string& module) {
  Index points = 0;
  for (const MeasuredSpectra& spectra : all) {
    for (const analysis::ModuleSpectrum& found : spectra.modules) {
      if (found.info.module == module) points += 2 * found.rank();
    }
  }
  return kCellsOfAPoint * points;
}

void add_details(report::Content& content, const std::vector<MeasuredSpectra>& all) {
  std::vector<std::pair<std::string, Index>> cells;
  for (const std::string& module : module_names(all)) cells.emplace_back(module, cells_of(all, module));
  const DrawnLayers layers(cells, kModuleCells);
  if (const std::string note = layers.note(); !note.empty()) content.paragraph(note);
  for (const auto& [module, count] : cells) {
    if (!layers.holds(module)) continue;
    report::Content details;
    if (const std::string note = note_of(all, module); !note.empty()) details.paragraph(note);
    details.charts({report::to_svg(module_chart(all, module, Curve::kSingularValues)),
                    report::to_svg(module_chart(all, module, Curve::kEnergy))});
    content.details(module, details);
  }
}

}  // namespace

report::Page spectrum_page(const std::vector<MeasuredSpectra>& all, const std::vector<Subject>& subjects,
                           const std::string& command) {
  const std::vector<Measurements> figures = measurements_of(all);
  report::Page page(all.size() > 1 ? std::string("Spectra of ΔW")
                                   : fmt::format("Spectrum of ΔW: {}", all[0].subject->name));
  report::Content& summary = page.section("Summary");
  for (std::size_t i = 0; i < all.size(); ++i) {
    summary.paragraph(rank_verdict(all[i]));
    summary.table(type_table(figures[i]));
  }
  add_terms(summary, figures.front());
  add_profiles(page.section("Over the layers"), figures,
               {"delta_norm", "stable_rank", "effective_rank", "top_share", "sufficient_rank"});
  add_spectra(page.section("Singular values"), all);
  // Before the long part, which few print.
  add_making(page, command, subjects, {});
  report::Content& modules = page.section("Every module");
  for (const Measurements& measured : figures) {
    if (all.size() > 1) modules.paragraph(measured.subject);
    modules.table(module_table(measured, Summary::kNone));
  }
  add_details(modules, all);
  return page;
}

void write_spectrum_charts(Outputs& outputs, const std::vector<MeasuredSpectra>& all) {
  const std::vector<Measurements> figures = measurements_of(all);
  write_profile_charts(outputs, figures);
  for (const std::string& module : module_names(all)) {
    outputs.write_chart(module + "-singular_values",
                        report::to_svg(module_chart(all, module, Curve::kSingularValues)));
    outputs.write_chart(module + "-energy", report::to_svg(module_chart(all, module, Curve::kEnergy)));
  }
}

}  // namespace lorry::cli
