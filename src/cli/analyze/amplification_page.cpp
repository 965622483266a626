#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "cli/analyze/amplification_results.hpp"
#include "cli/analyze/page_budget.hpp"
#include "report/heat_map.hpp"

namespace lorry::cli {

namespace {

std::string figure_8(const analysis::Grid& grid, std::string title, const char* columns, MapPlace place) {
  report::HeatMap map{.title = std::move(title),
                      .x_label = columns,
                      .y_label = "i, W",
                      .rows = grid.rows,
                      .cols = grid.cols,
                      .values = grid.values};
  return report::to_svg(place == MapPlace::kPage ? thinned(std::move(map)) : map);
}

/// Figure 8 has two: directions of outputs and of inputs.
struct Side {
  const char* name;
  const char* meaning;
  analysis::Grid analysis::ModuleAmplification::*grid;
  Index analysis::UpdateInfo::*dimension;
};

constexpr std::array<Side, 2> kSides = {
    {{"left", "outputs", &analysis::ModuleAmplification::phi_left, &analysis::UpdateInfo::outputs},
     {"right", "inputs", &analysis::ModuleAmplification::phi_right, &analysis::UpdateInfo::inputs}}};

/// Empty where there is none.
std::string side_map(const analysis::ModuleAmplification& module, const Side& side, MapPlace place) {
  const analysis::Grid& grid = module.*side.grid;
  return grid.empty() ? std::string() : figure_8(grid, side.name, "j, ΔW", place);
}

Index cells_of(const analysis::ModuleAmplification& module) {
  return thinned_cells(module.phi_left.rows, module.phi_left.cols) +
         thinned_cells(module.phi_right.rows, module.phi_right.cols);
}

/// The same of random directions.
std::string control_map(const MeasuredAmplification& measured, const analysis::ModuleAmplification& module,
                        const Side& side) {
  const analysis::Grid& grid = module.*side.grid;
  const analysis::GaussianControl* control =
      measured.report.controls.find(module.info.*side.dimension, grid.rows, grid.cols);
  return control == nullptr
             ? std::string()
             : figure_8(control->mean, fmt::format("{}, random", side.name), "j, random", MapPlace::kPage);
}

/// Table 7 of every module type: the module in the middle of the model, the subjects side by side.
report::Table table_7(const std::vector<MeasuredAmplification>& all) {
  report::Table table({{"module"},
                       {"adapter"},
                       {"r", true},
                       {"W on ΔW", true},
                       {"W on own", true},
                       {"W on random", true},
                       {"‖ΔW‖", true},
                       {"‖W‖", true},
                       {"amplification", true}});
  const std::vector<Measurements> figures = measurements_of(all);
  for (const std::string& name : middle_modules(figures)) {
    for (const Measurements& measured : figures) {
      for (const MeasuredModule& module : measured.modules) {
        if (module.module != name) continue;
        std::vector<report::Cell> row = {name, measured.subject, module.facts.front()};
        for (const char* key : {"projected_delta", "projected_weight", "projected_random", "delta_norm",
                                "weight_norm", "amplification"}) {
          row.emplace_back(figure_of(module, key).value);
        }
        table.add_row(std::move(row));
      }
    }
  }
  return table;
}

/// Both sides of one module, each beside what is there by chance.
void add_sides(report::Content& content, const MeasuredAmplification& measured,
               const analysis::ModuleAmplification& module) {
  for (const Side& side : kSides) {
    std::vector<std::string> charts = {side_map(module, side, MapPlace::kPage),
                                       control_map(measured, module, side)};
    std::erase(charts, "");
    if (charts.empty()) continue;
    content.charts(charts,
                   fmt::format("{}, {}: {}.", module.info.module, measured.subject->name, side.meaning));
  }
}

void add_figure_8(report::Content& content, const std::vector<MeasuredAmplification>& all) {
  content.paragraph(
      "Row i, column j: how much of ΔW's j leading directions lies in W's i leading ones. Dark all over: "
      "training "
      "works in directions that W does not emphasise. Left: outputs; right: inputs; random: the same for "
      "random "
      "directions. Per module type, the module in the middle of the model.");
  PageBudget budget(kOverviewCells);
  std::vector<std::string> left_out;
  Index rows = 0;
  Index cols = 0;
  for (const std::string& name : middle_modules(measurements_of(all))) {
    for (const MeasuredAmplification& measured : all) {
      for (const analysis::ModuleAmplification& module : measured.report.modules) {
        if (module.info.module != name) continue;
        rows = std::max(rows, module.phi_left.rows);
        cols = std::max(cols, module.phi_left.cols);
        if (budget.take(2 * cells_of(module))) {
          add_sides(content, measured, module);
        } else {
          left_out.push_back(fmt::format("{} of {}", name, measured.subject->name));
        }
      }
    }
  }
  if (!left_out.empty()) {
    content.paragraph(
        fmt::format("Left out, so that the page opens quickly: {}; --csv, --json and --svg have all of them.",
                    fmt::join(left_out, ", ")));
  }
  if (const std::string note = thinning_note(rows, cols); !note.empty()) content.paragraph(note);
}

void add_modules(report::Content& content, const MeasuredAmplification& measured, Index most_cells) {
  content.table(module_table(measurements_of(measured), Summary::kNone));
  std::vector<std::pair<std::string, Index>> cells;
  for (const analysis::ModuleAmplification& module : measured.report.modules) {
    cells.emplace_back(module.info.module, cells_of(module));
  }
  const DrawnLayers layers(cells, most_cells);
  if (const std::string note = layers.note(); !note.empty()) content.paragraph(note);
  for (const analysis::ModuleAmplification& module : measured.report.modules) {
    if (!layers.holds(module.info.module)) continue;
    report::Content details;
    if (!module.note.empty()) details.paragraph(module.note);
    std::vector<std::string> charts = {side_map(module, kSides[0], MapPlace::kPage),
                                       side_map(module, kSides[1], MapPlace::kPage)};
    std::erase(charts, "");
    if (!charts.empty()) details.charts(charts);
    content.details(module.info.module, details);
  }
}

}  // namespace

report::Page amplification_page(const std::vector<MeasuredAmplification>& all,
                                const std::vector<Subject>& subjects, const std::string& command,
                                const Facts& more) {
  const std::vector<Measurements> figures = measurements_of(all);
  report::Page page(all.size() > 1 ? std::string("Amplification")
                                   : fmt::format("Amplification: {}", all[0].subject->name));
  report::Content& summary = page.section("Summary");
  for (const MeasuredAmplification& measured : all) summary.paragraph(amplification_verdict(measured));
  for (const Measurements& measured : figures) {
    if (all.size() > 1) summary.paragraph(fmt::format("{}, medians per module type:", measured.subject));
    summary.table(type_table(measured));
  }
  add_terms(summary, figures.front());
  add_profiles(page.section("Over the layers"), figures,
               {"amplification", "delta_norm", "projected_delta", "overlap_left", "overlap_right"});
  report::Content& paper = page.section("As in the paper");
  paper.paragraph("Table 7 for the module in the middle of the model, per module type.");
  paper.table(table_7(all));
  add_figure_8(paper, all);
  // Before the long part, which few print.
  add_making(page, command, subjects, more);
  for (const MeasuredAmplification& measured : all) {
    add_modules(page.section(all.size() > 1 ? fmt::format("Every module of {}", measured.subject->name)
                                            : std::string("Every module")),
                measured, kModuleCells / std::ssize(all));
  }
  return page;
}

void write_amplification_charts(Outputs& outputs, const std::vector<MeasuredAmplification>& all) {
  const std::vector<Measurements> figures = measurements_of(all);
  write_profile_charts(outputs, figures);
  for (const MeasuredAmplification& measured : all) {
    const std::string prefix = all.size() > 1 ? fmt::format("{}-", measured.subject->name) : std::string();
    for (const analysis::ModuleAmplification& module : measured.report.modules) {
      for (const Side& side : kSides) {
        const std::string svg = side_map(module, side, MapPlace::kFile);
        if (svg.empty()) continue;
        outputs.write_chart(fmt::format("{}{}-phi_{}", prefix, module.info.module, side.name), svg);
      }
    }
  }
}

}  // namespace lorry::cli
