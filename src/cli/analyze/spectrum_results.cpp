#include "cli/analyze/spectrum_results.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "cli/analyze/coverage.hpp"

namespace lorry::cli {

namespace {

/// Figures of a ΔW without directions say nothing.
double value(const analysis::ModuleSpectrum& module, double figure) {
  return module.singular_values.empty() ? report::kNone : figure;
}

/// Of the top directions alone it is a lower bound.
Figure effective_rank(const analysis::ModuleSpectrum& module) {
  return {value(module, module.figures.effective_rank), !module.coverage.complete};
}

/// Where not even all directions that were computed suffice, one more is needed at least.
Figure sufficient_rank(const analysis::ModuleSpectrum& module) {
  const std::optional<Index>& rank = module.figures.sufficient_rank;
  return {value(module, static_cast<double>(rank.value_or(module.rank() + 1))), !rank};
}

std::string note_of(const analysis::ModuleSpectrum& module) {
  return module.note.empty() ? coverage_note(module.coverage) : module.note;
}

/// Adds `key`, null where only a lower bound is known, and `key`_at_least, null where it is known.
void add_rank(io::OrderedJson& json, const std::string& key, Figure figure) {
  json[key] = figure.at_least ? io::OrderedJson(nullptr) : json_number(figure.value);
  json[key + "_at_least"] = figure.at_least ? json_number(figure.value) : io::OrderedJson(nullptr);
}

io::OrderedJson module_json(const MeasuredSpectra& spectra, const analysis::ModuleSpectrum& module) {
  const analysis::SpectrumFigures& figures = module.figures;
  const bool complete = module.coverage.complete;
  io::OrderedJson json = {{"module", module.info.module},
                          {"adapter", spectra.subject->path.string()},
                          {"rank", module.info.rank}};
  json["numerical_rank"] = complete ? io::OrderedJson(module.rank()) : io::OrderedJson(nullptr);
  json["numerical_rank_at_least"] = complete ? io::OrderedJson(nullptr) : io::OrderedJson(module.rank() + 1);
  json["outputs"] = module.info.outputs;
  json["inputs"] = module.info.inputs;
  json["singular_values"] = json_numbers(module.singular_values);
  json["delta_norm"] = json_number(figures.frobenius_norm);
  json["stable_rank"] = json_number(value(module, figures.stable_rank));
  add_rank(json, "effective_rank", effective_rank(module));
  json["top_share"] = json_number(value(module, figures.top_share));
  json["energy"] = json_numbers(figures.energy);
  const bool known = figures.sufficient_rank && !module.singular_values.empty();
  json["sufficient_rank"] = known ? io::OrderedJson(*figures.sufficient_rank) : io::OrderedJson(nullptr);
  json["sufficient_rank_at_least"] =
      figures.sufficient_rank ? io::OrderedJson(nullptr) : io::OrderedJson(module.rank() + 1);
  json["complete"] = complete;
  json["note"] = json_note(note_of(module));
  return json;
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
                      .whole = true,
                      .low = 0}};
  result.terms = {
      {"‖ΔW‖", "Frobenius norm of ΔW: how far training has moved this weight."},
      {"σ1", "Largest singular value: the move in the strongest direction alone."},
      {"stable rank", "‖ΔW‖² / σ1²: how many directions of the strongest one's size would make up the norm."},
      {"effective rank",
       "exp of the entropy of σ / Σσ (Roy & Vetterli 2007): how many directions are in real use."},
      {"top share", "σ1² / ‖ΔW‖²: share of the update in its strongest direction."},
      {fmt::format("rank for {:g} %", 100 * spectra.energy_share),
       fmt::format(
           "The smallest rank whose best approximation holds {:g} % of ‖ΔW‖²; medians are rounded up.",
           100 * spectra.energy_share)}};
  for (const analysis::ModuleSpectrum& module : spectra.modules) {
    const analysis::SpectrumFigures& figures = module.figures;
    MeasuredModule measured{.module = module.info.module, .note = note_of(module)};
    measured.facts.emplace_back(module.info.rank);
    measured.figures = {{"delta_norm", {figures.frobenius_norm}},
                        {"top_singular_value",
                         {module.singular_values.empty() ? report::kNone : module.singular_values.front()}},
                        {"stable_rank", {value(module, figures.stable_rank)}},
                        {"effective_rank", effective_rank(module)},
                        {"top_share", {value(module, figures.top_share)}},
                        {"sufficient_rank", sufficient_rank(module)}};
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
  double most = 0;
  Index open = 0;      // modules whose sufficient rank is not known
  Index computed = 0;  // directions of those
  for (std::size_t i = 0; i < spectra.modules.size(); ++i) {
    const analysis::ModuleSpectrum& module = spectra.modules[i];
    const Figure sufficient = figure_of(figures.modules[i], "sufficient_rank");
    if (std::isfinite(sufficient.value)) most = std::max(most, sufficient.value);
    if (!sufficient.at_least) continue;
    ++open;
    computed = std::max(computed, module.rank());
  }
  if (most == 0) return fmt::format("{}: ΔW is zero everywhere.", spectra.subject->name);
  const double share = 100 * spectra.energy_share;
  const std::string used = fmt::format(
      "{}: of rank {}, the median module uses {} directions (effective rank)", spectra.subject->name,
      rank_text(*spectra.subject), in_words(median(figures, "effective_rank"), 1));
  const Figure sufficient =
      rounded(measure_of(figures, "sufficient_rank"), median(figures, "sufficient_rank"));
  if (open > 0) {
    return fmt::format(
        "{} and needs rank {} for {:g} % of its update; {} of {} modules need more than the {} directions "
        "that were computed.",
        used, in_words(sufficient, 0), share, open, spectra.modules.size(), computed);
  }
  return fmt::format("{}, and rank {:g} holds {:g} % of its update; rank {:g} does so in every module.", used,
                     sufficient.value, share, most);
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
      const model::ModulePlace place = model::place_of(module.info.module);
      const auto row = [&](const std::string& measure, const std::string& k, double number) {
        csv.row(spectra.subject->path.string(), module.info.module, model::layer_text(place), place.type,
                measure, k, number);
      };
      const analysis::SpectrumFigures& figures = module.figures;
      row("rank", "", static_cast<double>(module.info.rank));
      row("delta_norm", "", figures.frobenius_norm);
      row("stable_rank", "", value(module, figures.stable_rank));
      row("top_share", "", value(module, figures.top_share));
      const auto bounded_row = [&](const std::string& measure, Figure figure) {
        row(figure.at_least ? measure + "_at_least" : measure, "", figure.value);
      };
      bounded_row("effective_rank", effective_rank(module));
      bounded_row("sufficient_rank", sufficient_rank(module));
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
