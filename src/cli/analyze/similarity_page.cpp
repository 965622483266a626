#include "cli/analyze/similarity_page.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "cli/analyze/page_budget.hpp"
#include "report/heat_map.hpp"

namespace lorry::cli {

namespace {

/// φ with the smaller rank's directions as rows, as in Figure 3, whichever side they are on.
report::HeatMap heat_map(const ComparedPair& pair, const analysis::Grid& grid, std::string title) {
  const bool turned = grid.rows > grid.cols;
  report::HeatMap map{.title = std::move(title),
                      .x_label = fmt::format("j, {}", (turned ? pair.first : pair.second)->name),
                      .y_label = fmt::format("i, {}", (turned ? pair.second : pair.first)->name),
                      .rows = std::min(grid.rows, grid.cols),
                      .cols = std::max(grid.rows, grid.cols)};
  for (Index i = 0; i < map.rows; ++i) {
    for (Index j = 0; j < map.cols; ++j) map.values.push_back(turned ? grid.at(j, i) : grid.at(i, j));
  }
  return map;
}

/// φ where it is determined.
analysis::Grid determined_phi(const analysis::SubspaceSimilarity& space) {
  analysis::Grid grid = space.phi;
  for (Index i = 0; i < grid.rows; ++i) {
    for (Index j = 0; j < grid.cols; ++j) {
      if (!space.determined(i + 1, j + 1)) grid.at(i, j) = report::kNone;
    }
  }
  return grid;
}

std::string drawn(report::HeatMap map, MapPlace place) {
  return report::to_svg(place == MapPlace::kPage ? thinned(std::move(map)) : map);
}

std::string whole_map(const ComparedPair& pair, const ComparedSpace& space,
                      const analysis::SubspaceSimilarity& found, MapPlace place) {
  return drawn(heat_map(pair, determined_phi(found), space.chart_title), place);
}

std::string triangle_map(const ComparedPair& pair, const ComparedSpace& space,
                         const analysis::SubspaceSimilarity& found, MapPlace place) {
  report::HeatMap map = heat_map(pair, determined_phi(found), fmt::format("{}, j ≤ i", space.chart_title));
  map.lower_left_triangle_only = true;
  return drawn(std::move(map), place);
}

std::string control_map(const ComparedPair& pair, const analysis::SubspaceSimilarity& space, MapPlace place) {
  const analysis::GaussianControl* control = pair.report.control(space);
  if (control == nullptr) return {};
  report::HeatMap map =
      heat_map(pair, control->mean,
               fmt::format("random, mean of {} seed{}", control->seeds, control->seeds == 1 ? "" : "s"));
  map.x_label = "j, Gaussian";
  map.y_label = "i, Gaussian";
  return drawn(std::move(map), place);
}

/// The input and the output side: of A and B, which the paper shows, where there are factors, else of ΔW.
std::array<const ComparedSpace*, 2> both_sides(const analysis::ModuleSimilarity& module) {
  const std::size_t first = module.a.phi.empty() && module.b.phi.empty() ? 2 : 0;
  return {&kComparedSpaces[first], &kComparedSpaces[first + 1]};
}

Index cells_of(const analysis::SubspaceSimilarity& space) {
  return thinned_cells(space.phi.rows, space.phi.cols);
}

/// A grid, its triangle and its control, for both sides.
Index overview_cells(const analysis::ModuleSimilarity& module) {
  Index cells = 0;
  for (const ComparedSpace* space : both_sides(module)) cells += 5 * cells_of(module.*space->member) / 2;
  return cells;
}

void add_figure_3(report::Content& content, const ComparedPair& pair,
                  const analysis::ModuleSimilarity& module) {
  for (const ComparedSpace* space : both_sides(module)) {
    const analysis::SubspaceSimilarity& found = module.*space->member;
    if (found.phi.empty()) continue;
    std::vector<std::string> charts = {whole_map(pair, *space, found, MapPlace::kPage),
                                       triangle_map(pair, *space, found, MapPlace::kPage)};
    if (std::string control = control_map(pair, found, MapPlace::kPage); !control.empty()) {
      charts.push_back(std::move(control));
    }
    content.charts(charts, fmt::format("{}: {}.", module.module, space->description));
  }
}

void add_figures_3(report::Content& content, const ComparedPair& pair, const Measurements& figures,
                   PageBudget& budget) {
  content.paragraph(
      "Row i, column j: how much of the i leading directions of one lies in the j leading directions of the "
      "other, 1 for all of it and 0 for nothing. A bright first column in the triangle means that the "
      "strongest direction is shared and the rest is not. Per module type, the module in the middle of the "
      "model: the whole grid, its lower-left triangle (j ≤ i), and the same for random matrices of these "
      "shapes.");
  const std::vector<std::string> middles = middle_modules(figures);
  std::vector<std::string> left_out;
  for (const analysis::ModuleSimilarity& module : pair.report.modules) {
    if (std::find(middles.begin(), middles.end(), module.module) == middles.end()) continue;
    if (budget.take(overview_cells(module))) {
      add_figure_3(content, pair, module);
    } else {
      left_out.push_back(module.module);
    }
  }
  if (!left_out.empty()) {
    content.paragraph(
        fmt::format("Left out, so that the page opens quickly: {}; --csv, --json and --svg have all of them.",
                    fmt::join(left_out, ", ")));
  }
}

/// The widest grid of the pair.
std::string note_of_thinning(const ComparedPair& pair) {
  Index rows = 0;
  Index cols = 0;
  for (const analysis::ModuleSimilarity& module : pair.report.modules) {
    for (const ComparedSpace& space : kComparedSpaces) {
      rows = std::max(rows, (module.*space.member).phi.rows);
      cols = std::max(cols, (module.*space.member).phi.cols);
    }
  }
  return thinning_note(rows, cols);
}

/// Four grids, and the triangles of two.
Index detail_cells(const analysis::ModuleSimilarity& module) {
  Index cells = 0;
  for (const ComparedSpace& space : kComparedSpaces) cells += cells_of(module.*space.member);
  return cells + (cells_of(module.row) + cells_of(module.column)) / 2;
}

void add_module(report::Content& content, const ComparedPair& pair,
                const analysis::ModuleSimilarity& module) {
  std::vector<std::string> charts;
  for (const ComparedSpace& space : kComparedSpaces) {
    const analysis::SubspaceSimilarity& found = module.*space.member;
    if (!found.phi.empty()) charts.push_back(whole_map(pair, space, found, MapPlace::kPage));
  }
  for (const ComparedSpace* space : {&kComparedSpaces[2], &kComparedSpaces[3]}) {
    const analysis::SubspaceSimilarity& found = module.*space->member;
    if (!found.phi.empty()) charts.push_back(triangle_map(pair, *space, found, MapPlace::kPage));
  }
  report::Content details;
  if (!module.note.empty()) details.paragraph(module.note);
  if (!charts.empty()) details.charts(charts);
  content.details(module.module, details);
}

void add_modules(report::Content& content, const ComparedPair& pair, const Measurements& figures,
                 Index most_cells) {
  content.table(module_table(figures, Summary::kNone));
  for (const std::string& line : skipped_lines(pair)) content.paragraph(line);
  std::vector<std::pair<std::string, Index>> cells;
  for (const analysis::ModuleSimilarity& module : pair.report.modules) {
    cells.emplace_back(module.module, detail_cells(module));
  }
  const DrawnLayers layers(cells, most_cells);
  if (const std::string note = layers.note(); !note.empty()) content.paragraph(note);
  for (const analysis::ModuleSimilarity& module : pair.report.modules) {
    if (layers.holds(module.module)) add_module(content, pair, module);
  }
}

/// What profiles of a pair cost.
Index profile_cells(const Measurements& figures) {
  return kCellsOfAPoint * std::ssize(figures.modules) * std::ssize(figures.measures);
}

}  // namespace

report::Page similarity_page(const std::vector<ComparedPair>& pairs, const std::vector<Subject>& subjects,
                             const std::string& command, const Facts& more) {
  std::vector<Measurements> all;
  all.reserve(pairs.size());
  for (const ComparedPair& pair : pairs) all.push_back(measurements_of(pair));
  const bool several = pairs.size() > 1;
  report::Page page(several ? std::string("Subspace similarity")
                            : fmt::format("Subspace similarity: {}", pairs[0].name()));
  report::Content& summary = page.section("Summary");
  for (std::size_t i = 0; i < pairs.size(); ++i) summary.paragraph(similarity_verdict(pairs[i]));
  summary.table(several ? subject_table(all, "pair") : type_table(all.front()));
  add_terms(summary, all.front());
  const auto section = [&](std::size_t i, std::string_view name) -> report::Content& {
    return page.section(several ? fmt::format("{}: {}", pairs[i].name(), name) : std::string(name));
  };
  const std::vector<std::string> keys = similarity_keys();
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    PageBudget budget(kOverviewCells / std::ssize(pairs));
    report::Content& profiles = section(i, "Over the layers");
    if (several) profiles.table(type_table(all[i]));
    if (budget.take(profile_cells(all[i])) || !several) {
      add_profiles(profiles, {all[i]}, {keys.begin(), keys.end()});
    } else {
      profiles.paragraph("Charts are left out, so that the page opens quickly; --svg has them.");
    }
    report::Content& directions = section(i, "Which directions agree");
    add_figures_3(directions, pairs[i], all[i], budget);
    if (const std::string note = note_of_thinning(pairs[i]); !note.empty()) directions.paragraph(note);
  }
  // Before the long part, which few print.
  add_making(page, command, subjects, more);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    add_modules(section(i, "Every module"), pairs[i], all[i], kModuleCells / std::ssize(pairs));
  }
  return page;
}

void write_similarity_charts(Outputs& outputs, const std::vector<ComparedPair>& pairs) {
  for (const ComparedPair& pair : pairs) {
    const std::string prefix =
        pairs.size() > 1 ? fmt::format("{}-{}-", pair.first->name, pair.second->name) : std::string();
    write_profile_charts(outputs, {measurements_of(pair)}, prefix);
    for (const analysis::ModuleSimilarity& module : pair.report.modules) {
      for (const ComparedSpace& space : kComparedSpaces) {
        const analysis::SubspaceSimilarity& found = module.*space.member;
        if (found.phi.empty()) continue;
        const std::string name = fmt::format("{}{}-phi_{}", prefix, module.module, space.key);
        outputs.write_chart(name, whole_map(pair, space, found, MapPlace::kFile));
        outputs.write_chart(name + "-triangle", triangle_map(pair, space, found, MapPlace::kFile));
        if (const std::string control = control_map(pair, found, MapPlace::kFile); !control.empty()) {
          outputs.write_chart(
              fmt::format("{}control-{}x{}-in-{}", prefix, found.phi.rows, found.phi.cols, found.dimension),
              control);
        }
      }
    }
  }
}

}  // namespace lorry::cli
