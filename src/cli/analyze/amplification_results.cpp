#include "cli/analyze/amplification_results.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/analyze/coverage.hpp"
#include "core/clock.hpp"

namespace lorry::cli {

namespace {

bool is_zero(const analysis::ModuleAmplification& module) {
  return module.directions == 0;
}

/// Figures that need directions of ΔW.
double value(const analysis::ModuleAmplification& module, double figure) {
  return is_zero(module) ? report::kNone : figure;
}

double factor(const analysis::ModuleAmplification& module) {
  // Where ΔW's directions meet nothing of W there is no factor, and the module's note says so.
  return is_zero(module) || module.projected_delta == 0 ? report::kNone : module.amplification;
}

/// None where one seed has none.
double random_spread(const MeasuredAmplification& measured, const analysis::ModuleAmplification& module) {
  return measured.random_seeds > 1 ? value(module, module.projected_random_spread) : report::kNone;
}

/// φ(w, r): ΔW's directions within W's top w, as a whole.
double corner(const analysis::Grid& grid) {
  return grid.empty() ? report::kNone : grid.at(grid.rows - 1, grid.cols - 1);
}

/// φ(w, r) of random directions, not as samples of it come out.
double chance(Index dimension, const analysis::Grid& grid) {
  return grid.empty() ? report::kNone : analysis::expected_phi(grid.rows, grid.cols, dimension);
}

/// Of a cut ΔW, also where fewer of its directions were asked for: they are its top ones all the same.
std::string note_of(const analysis::ModuleAmplification& module) {
  if (!module.note.empty() || module.directions < module.coverage.directions) return module.note;
  return coverage_note(module.coverage);
}

io::OrderedJson grid_or_null(const analysis::Grid& grid) {
  return grid.empty() ? io::OrderedJson(nullptr) : json_grid(grid);
}

io::OrderedJson module_json(const MeasuredAmplification& measured,
                            const analysis::ModuleAmplification& module) {
  return {{"module", module.info.module},
          {"adapter", measured.subject->path.string()},
          {"directions", module.directions},
          {"directions_energy", json_number(value(module, module.energy))},
          {"complete", module.coverage.complete},
          {"delta_norm", json_number(module.delta_norm)},
          {"weight_norm", json_number(module.weight_norm)},
          {"projected_delta", json_number(value(module, module.projected_delta))},
          {"projected_weight", json_number(value(module, module.projected_weight))},
          {"projected_random", json_number(value(module, module.projected_random))},
          {"projected_random_spread", json_number(random_spread(measured, module))},
          {"amplification", json_number(factor(module))},
          {"overlap_left", json_number(corner(module.phi_left))},
          {"overlap_left_random", json_number(chance(module.info.outputs, module.phi_left))},
          {"overlap_right", json_number(corner(module.phi_right))},
          {"overlap_right_random", json_number(chance(module.info.inputs, module.phi_right))},
          {"phi_left", grid_or_null(module.phi_left)},
          {"phi_right", grid_or_null(module.phi_right)},
          {"weight_singular_values", json_numbers(module.weight_singular_values)},
          {"weight_exact", module.weight_exact},
          {"weight_residual", json_number(module.weight_residual)},
          {"note", json_note(note_of(module))}};
}

}  // namespace

Measurements measurements_of(const MeasuredAmplification& measured) {
  Measurements result{.subject = measured.subject->name, .facts = {{"r", true}, {"w", true}}};
  result.measures = {{.key = "delta_norm", .title = "‖ΔW‖", .low = 0},
                     {.key = "weight_norm", .title = "‖W‖", .low = 0},
                     {.key = "projected_delta", .title = "W on ΔW", .low = 0},
                     {.key = "projected_weight", .title = "W on own", .low = 0},
                     {.key = "projected_random", .title = "W on random", .low = 0},
                     {.key = "amplification", .title = "amplification", .scale = report::Scale::kLog},
                     {.key = "overlap_left", .title = "φ left", .decimals = 3, .low = 0, .high = 1},
                     {.key = "overlap_right", .title = "φ right", .decimals = 3, .low = 0, .high = 1}};
  result.terms = {
      {"‖ΔW‖", "Frobenius norm of what training added."},
      {"‖W‖", "Frobenius norm of the pretrained weight."},
      {"W on ΔW", "‖UᵀWVᵀ‖ with U, V the r directions of ΔW: how much of W lies where training pushed."},
      {"W on own", "The same with W's own top r directions: the most that any r directions hold."},
      {"W on random", "The same with random directions, what is there by chance: mean ± spread over seeds."},
      {"w", "How many of W's top directions φ left and φ right look at."},
      {"amplification",
       "‖ΔW‖ / ‖UᵀWVᵀ‖: how much louder than W itself the update makes these directions (Table 7)."},
      {"φ left", "Share of ΔW's r output directions within W's top w (Figure 8)."},
      {"φ right", "Share of ΔW's r input directions within W's top w."},
      {"random",
       "The expectation of φ left and right for random directions: max(w, r) / d in d dimensions."}};
  for (const analysis::ModuleAmplification& module : measured.report.modules) {
    MeasuredModule row{.module = module.info.module, .note = note_of(module)};
    row.facts.emplace_back(module.directions);
    if (module.phi_left.empty()) {
      row.facts.emplace_back(std::string(report::kMissing));
    } else {
      row.facts.emplace_back(module.phi_left.rows);
    }
    row.figures = {
        {"delta_norm", {module.delta_norm}},
        {"weight_norm", {module.weight_norm}},
        {"projected_delta", {value(module, module.projected_delta)}},
        {"projected_weight", {value(module, module.projected_weight)}},
        {"projected_random",
         {.value = value(module, module.projected_random), .spread = random_spread(measured, module)}},
        {"amplification", {factor(module)}},
        {"overlap_left", {corner(module.phi_left)}},
        {"overlap_right", {corner(module.phi_right)}}};
    row.chance = {{"overlap_left", chance(module.info.outputs, module.phi_left)},
                  {"overlap_right", chance(module.info.inputs, module.phi_right)}};
    result.modules.push_back(std::move(row));
  }
  return result;
}

std::vector<Measurements> measurements_of(const std::vector<MeasuredAmplification>& all) {
  std::vector<Measurements> figures;
  figures.reserve(all.size());
  for (const MeasuredAmplification& measured : all) figures.push_back(measurements_of(measured));
  return figures;
}

std::string amplification_verdict(const MeasuredAmplification& measured) {
  const Measurements figures = measurements_of(measured);
  const auto middle = [&](std::string_view key) { return median(figures, key).value; };
  const double median_factor = middle("amplification");
  if (!std::isfinite(median_factor)) {
    const bool any = std::any_of(measured.report.modules.begin(), measured.report.modules.end(),
                                 [](const auto& module) { return !is_zero(module); });
    return fmt::format("{}: {}.", measured.subject->name,
                       any ? "W is zero in all directions of ΔW" : "ΔW is zero everywhere");
  }
  const double against_random = middle("projected_delta") / middle("projected_random");
  const std::string sentence = fmt::format(
      "{}: in the median module, ΔW is {} times as large as what W has in the same directions; that part of "
      "W is {} "
      "times what random directions hold and {} of what W's own top directions hold.",
      measured.subject->name, report::format_number(median_factor, 3),
      report::format_number(against_random, 3),
      report::format_number(middle("projected_delta") / middle("projected_weight"), 2));
  // With all of a full fine-tune's directions, W is projected on nearly everything.
  return measured.subject->full && measured.all_directions
             ? sentence + " These are all directions of a full fine-tune; --rank 4 looks at its strongest."
             : sentence;
}

std::string work_line(const MeasuredAmplification& measured) {
  Index passes = 0;
  Index columns = 0;
  for (const analysis::ModuleAmplification& module : measured.report.modules) {
    passes = std::max(passes, module.products.passes);
    columns = std::max(columns, module.products.columns);
  }
  return fmt::format(
      "{} of weights read and multiplied in {:.1f} s: at most {} pass{} over a matrix, {} vectors in all",
      format_bytes(measured.report.weight_bytes), measured.seconds, passes, passes == 1 ? "" : "es", columns);
}

void print_amplification_json(const std::vector<MeasuredAmplification>& all, std::uint64_t seed) {
  std::vector<io::OrderedJson> modules;
  io::OrderedJson bytes = io::OrderedJson::array();
  for (const MeasuredAmplification& measured : all) {
    bytes.push_back(measured.report.weight_bytes);
    for (const analysis::ModuleAmplification& module : measured.report.modules) {
      modules.push_back(module_json(measured, module));
    }
  }
  print_modules(modules, {{"weight_bytes", std::move(bytes)}, {"seed", seed}});
}

void write_amplification_csv(CsvFile& csv, const std::vector<MeasuredAmplification>& all) {
  csv.row("adapter", "module", "layer", "type", "measure", "i", "j", "value");
  for (const MeasuredAmplification& measured : all) {
    const Measurements figures = measurements_of(measured);
    for (std::size_t m = 0; m < measured.report.modules.size(); ++m) {
      const analysis::ModuleAmplification& module = measured.report.modules[m];
      const model::ModulePlace place = model::place_of(module.info.module);
      const auto row = [&](const std::string& measure, const std::string& i, const std::string& j,
                           double number) {
        csv.row(measured.subject->path.string(), module.info.module, model::layer_text(place), place.type,
                measure, i, j, number);
      };
      row("directions", "", "", static_cast<double>(module.directions));
      row("directions_energy", "", "", value(module, module.energy));
      for (const Measure& measure : figures.measures) {
        row(measure.key, "", "", figure_of(figures.modules[m], measure.key).value);
      }
      for (const auto& [key, number] : figures.modules[m].chance) row(key + "_random", "", "", number);
      row("projected_random_spread", "", "", random_spread(measured, module));
      row("weight_residual", "", "", module.weight_residual);
      for (std::size_t i = 0; i < module.weight_singular_values.size(); ++i) {
        row("weight_singular_value", std::to_string(i + 1), "", module.weight_singular_values[i]);
      }
      for (const auto& [name, grid] :
           {std::pair("phi_left", &module.phi_left), {"phi_right", &module.phi_right}}) {
        for (Index i = 0; i < grid->rows; ++i) {
          for (Index j = 0; j < grid->cols; ++j) {
            row(name, std::to_string(i + 1), std::to_string(j + 1), grid->at(i, j));
          }
        }
      }
    }
  }
}

}  // namespace lorry::cli
