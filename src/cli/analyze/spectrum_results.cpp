#include "cli/analyze/spectrum_results.hpp"

#include <fmt/format.h>

#include <cmath>

namespace lorry::cli {

namespace {

/// Figures of a ΔW without directions say nothing.
double figure(const analysis::ModuleSpectrum& module, double value) {
  return module.singular_values.empty() ? report::kNone : value;
}

std::string note_of(const analysis::ModuleSpectrum& module) {
  if (!module.note.empty() || module.complete) return module.note;
  return fmt::format("top {} directions only", module.singular_values.size());
}

io::OrderedJson module_json(const MeasuredSpectra& spectra, const analysis::ModuleSpectrum& module) {
  const analysis::SpectrumFigures& figures = module.figures;
  const bool any = !module.singular_values.empty();
  return {{"module", module.info.module},
          {"adapter", spectra.subject->path.string()},
          {"rank", module.info.rank},
          {"numerical_rank", module.rank()},
          {"outputs", module.info.outputs},
          {"inputs", module.info.inputs},
          {"singular_values", json_numbers(module.singular_values)},
          {"delta_norm", json_number(figures.frobenius_norm)},
          {"stable_rank", json_number(figure(module, figures.stable_rank))},
          {"effective_rank", json_number(figure(module, figures.effective_rank))},
          {"top_share", json_number(figure(module, figures.top_share))},
          {"energy", json_numbers(figures.energy)},
          {"sufficient_rank", any ? io::OrderedJson(figures.sufficient_rank) : io::OrderedJson(nullptr)},
          {"complete", module.complete},
          {"note", json_note(note_of(module))}};
}

}  // namespace

Measurements measurements_of(const MeasuredSpectra& spectra) {
  Measurements result{.subject = spectra.subject->name, .facts = {{"rank", true}}};
  result.measures = {{.key = "delta_norm", .title = "‖ΔW‖", .low = 0},
                     {.key = "top_singular_value", .title = "σ1", .low = 0},
                     {.key = "stable_rank", .title = "stable rank", .decimals = 2, .low = 0},
                     {.key = "effective_rank", .title = "effective rank", .decimals = 2, .low = 0},
                     {.key = "top_share", .title = "top share", .decimals = 3, .low = 0, .high = 1},
                     {.key = "sufficient_rank",
                      .title = fmt::format("rank for {:g} %", 100 * spectra.energy_share),
                      .decimals = 0,
                      .low = 0}};
  result.terms = {
      {"‖ΔW‖", "Frobenius norm of ΔW: how far training has moved this weight."},
      {"σ1", "Largest singular value: the move in the strongest direction alone."},
      {"stable rank", "‖ΔW‖² / σ1²: how many directions of the strongest one's size would make up the norm."},
      {"effective rank",
       "exp of the entropy of σ / Σσ (Roy & Vetterli 2007): how many directions are in real use."},
      {"top share", "σ1² / ‖ΔW‖²: share of the update in its strongest direction."},
      {fmt::format("rank for {:g} %", 100 * spectra.energy_share),
       fmt::format("The smallest rank whose best approximation holds {:g} % of ‖ΔW‖².",
                   100 * spectra.energy_share)}};
  for (const analysis::ModuleSpectrum& module : spectra.modules) {
    const analysis::SpectrumFigures& figures = module.figures;
    MeasuredModule measured{.module = module.info.module, .note = note_of(module)};
    measured.facts.emplace_back(module.info.rank);
    measured.values = {figures.frobenius_norm,
                       module.singular_values.empty() ? report::kNone : module.singular_values.front(),
                       figure(module, figures.stable_rank),
                       figure(module, figures.effective_rank),
                       figure(module, figures.top_share),
                       figure(module, static_cast<double>(figures.sufficient_rank))};
    result.modules.push_back(std::move(measured));
  }
  return result;
}

std::vector<Measurements> measurements_of(const std::vector<MeasuredSpectra>& all) {
  std::vector<Measurements> figures;
  figures.reserve(all.size());
  for (const MeasuredSpectra& spectra : all) figures.push_back(measurements_of(spectra));
  return figures;
}

std::string rank_verdict(const MeasuredSpectra& spectra) {
  const Measurements figures = measurements_of(spectra);
  std::vector<double> ranks;
  double most = 0;
  for (std::size_t i = 0; i < spectra.modules.size(); ++i) {
    ranks.push_back(static_cast<double>(spectra.modules[i].info.rank));
    const double sufficient = figures.modules[i].values[5];
    if (std::isfinite(sufficient)) most = std::max(most, sufficient);
  }
  if (most == 0) return fmt::format("{}: ΔW is zero everywhere.", spectra.subject->name);
  return fmt::format(
      "{}: of rank {:g}, the median module uses {} directions (effective rank), and rank {:g} holds {:g} % "
      "of its "
      "update; rank {:g} does so in every module.",
      spectra.subject->name, median(ranks), in_words(median(figures, 3), 1), std::ceil(median(figures, 5)),
      100 * spectra.energy_share, most);
}

void print_spectrum_json(const std::vector<MeasuredSpectra>& all) {
  std::vector<io::OrderedJson> modules;
  for (const MeasuredSpectra& spectra : all) {
    for (const analysis::ModuleSpectrum& module : spectra.modules)
      modules.push_back(module_json(spectra, module));
  }
  print_modules(modules, {{"energy_share", all.front().energy_share}});
}

void write_spectrum_csv(CsvFile& csv, const std::vector<MeasuredSpectra>& all) {
  csv.row("adapter", "module", "layer", "type", "measure", "k", "value");
  for (const MeasuredSpectra& spectra : all) {
    for (const analysis::ModuleSpectrum& module : spectra.modules) {
      const ModulePlace place = place_of(module.info.module);
      const auto row = [&](const char* measure, const std::string& k, double value) {
        csv.row(spectra.subject->path.string(), module.info.module, layer_text(place), place.type, measure, k,
                value);
      };
      const analysis::SpectrumFigures& figures = module.figures;
      row("rank", "", static_cast<double>(module.info.rank));
      row("delta_norm", "", figures.frobenius_norm);
      row("stable_rank", "", figure(module, figures.stable_rank));
      row("effective_rank", "", figure(module, figures.effective_rank));
      row("top_share", "", figure(module, figures.top_share));
      row("sufficient_rank", "", figure(module, static_cast<double>(figures.sufficient_rank)));
      for (std::size_t k = 0; k < module.singular_values.size(); ++k) {
        row("singular_value", std::to_string(k + 1), module.singular_values[k]);
      }
      for (std::size_t k = 0; k < figures.energy.size(); ++k) {
        row("energy", std::to_string(k + 1), figures.energy[k]);
      }
    }
  }
}

}  // namespace lorry::cli
