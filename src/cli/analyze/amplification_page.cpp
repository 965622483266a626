#include <fmt/format.h>

#include <array>

#include "cli/analyze/amplification_results.hpp"
#include "report/heat_map.hpp"

namespace lorry::cli {

namespace {

/// More cells than this would make a page that browsers are slow to open.
constexpr Index kMostCells = 1'000'000;

std::string figure_8(const analysis::Grid& grid, std::string title, const char* columns) {
  return report::to_svg(report::HeatMap{.title = std::move(title),
                                        .x_label = columns,
                                        .y_label = "i, W",
                                        .rows = grid.rows,
                                        .cols = grid.cols,
                                        .values = grid.values});
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
std::string side_map(const analysis::ModuleAmplification& module, const Side& side) {
  const analysis::Grid& grid = module.*side.grid;
  return grid.empty() ? std::string() : figure_8(grid, side.name, "j, ΔW");
}

/// The same of random directions.
std::string control_map(const MeasuredAmplification& measured, const analysis::ModuleAmplification& module,
                        const Side& side) {
  const analysis::Grid& grid = module.*side.grid;
  const analysis::GaussianControl* control =
      measured.report.controls.find(module.info.*side.dimension, grid.rows, grid.cols);
  return control == nullptr ? std::string()
                            : figure_8(control->mean, fmt::format("{}, random", side.name), "j, random");
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
  for (const std::string& name : middle_modules(measurements_of(all.front()))) {
    for (const MeasuredAmplification& measured : all) {
      const Measurements figures = measurements_of(measured);
      for (const MeasuredModule& module : figures.modules) {
        if (module.module != name) continue;
        const std::vector<double>& v = module.values;
        table.add_row(
            {name, measured.subject->name, module.facts.front(), v[2], v[3], v[4], v[0], v[1], v[5]});
      }
    }
  }
  return table;
}

void add_figure_8(report::Content& content, const std::vector<MeasuredAmplification>& all) {
  content.paragraph(
      "Row i, column j: how much of ΔW's j leading directions lies in W's i leading ones. Dark all over: "
      "training "
      "works in directions that W does not emphasise. Left: outputs; right: inputs; random: the same for "
      "random "
      "directions. Per module type, the module in the middle of the model.");
  for (const std::string& name : middle_modules(measurements_of(all.front()))) {
    for (const MeasuredAmplification& measured : all) {
      for (const analysis::ModuleAmplification& module : measured.report.modules) {
        if (module.info.module != name) continue;
        for (const Side& side : kSides) {
          std::vector<std::string> charts = {side_map(module, side), control_map(measured, module, side)};
          std::erase(charts, "");
          if (charts.empty()) continue;
          content.charts(charts, fmt::format("{}, {}: {}.", name, measured.subject->name, side.meaning));
        }
      }
    }
  }
}

Index cells_of(const MeasuredAmplification& measured) {
  Index cells = 0;
  for (const analysis::ModuleAmplification& module : measured.report.modules) {
    cells += std::ssize(module.phi_left.values) + std::ssize(module.phi_right.values);
  }
  return cells;
}

void add_modules(report::Content& content, const MeasuredAmplification& measured, Index most_cells) {
  content.table(module_table(measurements_of(measured), Summary::kNone));
  const Index stride = 1 + cells_of(measured) / most_cells;
  if (stride > 1) {
    content.paragraph(fmt::format("Grids of every {}th layer; --csv and --json have all of them.", stride));
  }
  for (const analysis::ModuleAmplification& module : measured.report.modules) {
    if (std::max<Index>(place_of(module.info.module).layer, 0) % stride != 0) continue;
    report::Content details;
    if (!module.note.empty()) details.paragraph(module.note);
    std::vector<std::string> charts = {side_map(module, kSides[0]), side_map(module, kSides[1])};
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
  add_profiles(page.section("Over the layers"), figures, {5, 0, 2, 6, 7});
  report::Content& paper = page.section("As in the paper");
  paper.paragraph("Table 7 for the module in the middle of the model, per module type.");
  paper.table(table_7(all));
  add_figure_8(paper, all);
  // Before the long part, which few print.
  add_making(page, command, subjects, more);
  for (const MeasuredAmplification& measured : all) {
    add_modules(page.section(all.size() > 1 ? fmt::format("Every module of {}", measured.subject->name)
                                            : std::string("Every module")),
                measured, kMostCells / std::ssize(all));
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
        const std::string svg = side_map(module, side);
        if (svg.empty()) continue;
        outputs.write_chart(fmt::format("{}{}-phi_{}", prefix, module.info.module, side.name), svg);
      }
    }
  }
}

}  // namespace lorry::cli
