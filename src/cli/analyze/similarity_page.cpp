#include "cli/analyze/similarity_page.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "report/heat_map.hpp"

namespace lorry::cli {

namespace {

/// More cells than this would make a page that browsers are slow to open.
constexpr Index kMostCells = 1'000'000;

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

std::string whole_map(const ComparedPair& pair, const analysis::SubspaceSimilarity& space,
                      std::string title) {
  return report::to_svg(heat_map(pair, determined_phi(space), std::move(title)));
}

std::string triangle_map(const ComparedPair& pair, const analysis::SubspaceSimilarity& space,
                         std::string title) {
  report::HeatMap map = heat_map(pair, determined_phi(space), std::move(title));
  map.lower_left_triangle_only = true;
  return report::to_svg(map);
}

std::string control_map(const ComparedPair& pair, const analysis::SubspaceSimilarity& space) {
  const analysis::GaussianControl* control = pair.report.control(space);
  if (control == nullptr) return {};
  report::HeatMap map =
      heat_map(pair, control->mean,
               fmt::format("random, mean of {} seed{}", control->seeds, control->seeds == 1 ? "" : "s"));
  map.x_label = "j, Gaussian";
  map.y_label = "i, Gaussian";
  return report::to_svg(map);
}

/// The input and the output side: of A and B, which the paper shows, where there are factors, else of ΔW.
std::array<const ComparedSpace*, 2> both_sides(const analysis::ModuleSimilarity& module) {
  const std::size_t first = module.a.phi.empty() && module.b.phi.empty() ? 2 : 0;
  return {&kComparedSpaces[first], &kComparedSpaces[first + 1]};
}

void add_figure_3(report::Content& content, const ComparedPair& pair, const Measurements& figures) {
  content.paragraph(
      "Row i, column j: how much of the i leading directions of one lies in the j leading directions of the "
      "other, 1 "
      "for all of it and 0 for nothing. A bright first column in the triangle means that the strongest "
      "direction is "
      "shared and the rest is not. Per module type, the module in the middle of the model: the whole grid, "
      "its "
      "lower-left triangle (j ≤ i), and the same for random matrices of these shapes.");
  const std::vector<std::string> middles = middle_modules(figures);
  for (const analysis::ModuleSimilarity& module : pair.report.modules) {
    if (std::find(middles.begin(), middles.end(), module.module) == middles.end()) continue;
    for (const ComparedSpace* space : both_sides(module)) {
      const analysis::SubspaceSimilarity& found = module.*space->member;
      if (found.phi.empty()) continue;
      std::vector<std::string> charts = {
          whole_map(pair, found, space->chart_title),
          triangle_map(pair, found, fmt::format("{}, j ≤ i", space->chart_title))};
      if (std::string control = control_map(pair, found); !control.empty())
        charts.push_back(std::move(control));
      content.charts(charts, fmt::format("{}: {}.", module.module, space->description));
    }
  }
}

Index cells_of(const ComparedPair& pair) {
  Index cells = 0;
  for (const analysis::ModuleSimilarity& module : pair.report.modules) {
    for (const ComparedSpace& space : kComparedSpaces) cells += std::ssize((module.*space.member).phi.values);
  }
  return cells;
}

void add_modules(report::Content& content, const ComparedPair& pair, const Measurements& figures,
                 Index most_cells) {
  content.table(module_table(figures, Summary::kNone));
  for (const analysis::SkippedModule& module : pair.report.skipped) {
    content.paragraph(fmt::format("left out: {} ({})", module.module, module.reason));
  }
  // Of a grid too large for one page, every n-th layer is drawn.
  const Index stride = 1 + cells_of(pair) / most_cells;
  if (stride > 1) {
    content.paragraph(fmt::format("Grids of every {}th layer; --csv and --json have all of them.", stride));
  }
  for (const analysis::ModuleSimilarity& module : pair.report.modules) {
    if (std::max<Index>(place_of(module.module).layer, 0) % stride != 0) continue;
    std::vector<std::string> charts;
    for (const ComparedSpace& space : kComparedSpaces) {
      const analysis::SubspaceSimilarity& found = module.*space.member;
      if (!found.phi.empty()) charts.push_back(whole_map(pair, found, space.chart_title));
    }
    for (const ComparedSpace* space : {&kComparedSpaces[2], &kComparedSpaces[3]}) {
      const analysis::SubspaceSimilarity& found = module.*space->member;
      if (!found.phi.empty()) {
        charts.push_back(triangle_map(pair, found, fmt::format("{}, j ≤ i", space->chart_title)));
      }
    }
    report::Content details;
    if (!module.note.empty()) details.paragraph(module.note);
    if (!charts.empty()) details.charts(charts);
    content.details(module.module, details);
  }
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
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    report::Content& profiles = section(i, "Over the layers");
    if (several) profiles.table(type_table(all[i]));
    add_profiles(profiles, {all[i]}, {0, 1, 2, 3, 4, 5, 6, 7});
    add_figure_3(section(i, "Which directions agree"), pairs[i], all[i]);
  }
  // Before the long part, which few print.
  add_making(page, command, subjects, more);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    add_modules(section(i, "Every module"), pairs[i], all[i], kMostCells / std::ssize(pairs));
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
        outputs.write_chart(name, whole_map(pair, found, space.chart_title));
        outputs.write_chart(name + "-triangle",
                            triangle_map(pair, found, fmt::format("{}, j ≤ i", space.chart_title)));
        if (const std::string control = control_map(pair, found); !control.empty()) {
          outputs.write_chart(
              fmt::format("{}control-{}x{}-in-{}", prefix, found.phi.rows, found.phi.cols, found.dimension),
              control);
        }
      }
    }
  }
}

}  // namespace lorry::cli
