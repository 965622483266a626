// What a page leaves out so that browsers open it quickly, and that it says so.
#include "cli/analyze/page_budget.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "cli/analyze/similarity_page.hpp"
#include "cli/analyze/spectrum_results.hpp"

namespace lorry::cli {
namespace {

report::HeatMap map_of(Index rows, Index cols) {
  report::HeatMap map{.title = "", .x_label = "", .y_label = "", .rows = rows, .cols = cols};
  for (Index i = 0; i < rows * cols; ++i) map.values.push_back(static_cast<double>(i));
  return map;
}

TEST(PageBudget, MapsUpTo64DirectionsAreWhole) {
  const report::HeatMap map = thinned(map_of(8, 64));
  EXPECT_EQ(map.values, map_of(8, 64).values);
  EXPECT_TRUE(map.x_ticks.empty());
  EXPECT_EQ(thinned_cells(8, 64), 8 * 64);
  EXPECT_EQ(thinning_note(8, 64), "");
}

TEST(PageBudget, LargerMapsKeepEveryNthUpToTheLast) {
  const report::HeatMap map = thinned(map_of(2, 129));
  ASSERT_EQ(map.cols, 43);
  EXPECT_EQ(map.rows, 2);
  EXPECT_EQ(map.x_ticks.front(), "3");
  EXPECT_EQ(map.x_ticks.back(), "129");
  EXPECT_TRUE(map.y_ticks.empty());
  EXPECT_EQ(map.values[0], 2);
  EXPECT_EQ(map.values.back(), 2 * 129 - 1);
  EXPECT_EQ(thinned_cells(2, 129), 2 * 43);
  EXPECT_NE(thinning_note(2, 129).find("at most every 3rd"), std::string::npos) << thinning_note(2, 129);
}

TEST(PageBudget, ATriangleIsThinnedTheSameWayOnBothSides) {
  report::HeatMap triangle = map_of(100, 128);
  triangle.lower_left_triangle_only = true;
  const report::HeatMap map = thinned(triangle);
  EXPECT_EQ(map.rows, 50);
  EXPECT_EQ(map.cols, 50);
  EXPECT_EQ(map.x_ticks, map.y_ticks);
  EXPECT_EQ(map.values[0], 1 * 128 + 1);  // row 2, column 2
}

TEST(PageBudget, LayersAreDrawnEveryNth) {
  std::vector<std::pair<std::string, Index>> modules = {{"lm_head", 10}};
  for (Index layer = 0; layer < 12; ++layer) modules.emplace_back(fmt::format("h.{}.q", layer), 10);
  EXPECT_EQ(DrawnLayers(modules, 130).note(), "");
  const DrawnLayers third(modules, 50);
  EXPECT_TRUE(third.holds("h.0.q") && third.holds("h.3.q") && third.holds("lm_head"));
  EXPECT_FALSE(third.holds("h.1.q") || third.holds("h.2.q"));
  EXPECT_EQ(third.note().substr(0, 31), "Charts of every 3rd layer only,") << third.note();
  const DrawnLayers none(modules, 15);
  EXPECT_FALSE(none.holds("h.0.q"));
  EXPECT_NE(none.note().find("Charts of single modules are left out"), std::string::npos);
}

/// As many modules as a 7B model has, without numbers.
class ManyModules : public analysis::UpdateSource {
 public:
  ManyModules() {
    for (Index layer = 0; layer < 32; ++layer) {
      for (const char* name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                               "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}) {
        infos_.push_back({.module = fmt::format("model.layers.{}.{}", layer, name),
                          .outputs = 4096,
                          .inputs = 4096,
                          .rank = 64});
      }
    }
  }
  [[nodiscard]] std::string description() const override { return "many"; }
  [[nodiscard]] const std::vector<analysis::UpdateInfo>& modules() const override { return infos_; }
  [[nodiscard]] analysis::Update read(Index) const override { return {}; }
  [[nodiscard]] Index reading_bytes(Index) const override { return 0; }

 private:
  std::vector<analysis::UpdateInfo> infos_;
};

/// Bytes that browsers open in a second or two.
constexpr std::ptrdiff_t kLightPage = 9'000'000;

std::vector<Subject> subjects() {
  std::vector<Subject> all(2);
  all[0] = {.name = "r64", .path = "r64", .updates = std::make_unique<ManyModules>()};
  all[1] = {.name = "r64-b", .path = "r64-b", .updates = std::make_unique<ManyModules>()};
  return all;
}

/// Neighbouring cells differ in colour, which costs most.
analysis::SubspaceSimilarity busy_grid(Index side) {
  analysis::SubspaceSimilarity space{.dimension = 4096, .phi = analysis::Grid(side, side)};
  for (Index i = 0; i < side * side; ++i)
    space.phi.values[static_cast<std::size_t>(i)] = static_cast<double>(i * 37 % 101) / 101;
  return space;
}

TEST(PageBudget, APageOf224ModulesOfRank64IsLightAndSaysWhatItLeftOut) {
  const std::vector<Subject> two = subjects();
  for (const std::size_t count : {1U, 10U}) {  // pairs
    std::vector<ComparedPair> pairs(count);
    for (ComparedPair& pair : pairs) {
      pair.first = two.data();
      pair.second = &two[1];
      for (const analysis::UpdateInfo& info : two[0].updates->modules()) {
        const analysis::SubspaceSimilarity grid = busy_grid(64);
        pair.report.modules.push_back(
            {.module = info.module, .a = grid, .b = grid, .row = grid, .column = grid});
      }
    }
    const std::string page = similarity_page(pairs, two, "lorry analyze similarity", {}).to_html();
    EXPECT_LT(std::ssize(page), kLightPage) << count;
    EXPECT_NE(page.find(count == 1 ? "Charts of every " : "Charts of single modules are left out"),
              std::string::npos);
    // The figures of every module are in the table all the same.
    EXPECT_NE(page.find("so that the page opens quickly; --csv, --json and --svg have every module."),
              std::string::npos);
  }
}

TEST(PageBudget, SpectraOf224ModulesAreLightToo) {
  const std::vector<Subject> two = subjects();
  std::vector<MeasuredSpectra> all;
  for (const Subject& subject : two) {
    MeasuredSpectra spectra{.subject = &subject};
    for (const analysis::UpdateInfo& info : subject.updates->modules()) {
      analysis::ModuleSpectrum module{.info = info};
      for (Index k = 0; k < 64; ++k) module.singular_values.push_back(1.0 / static_cast<double>(k + 1));
      module.figures = analysis::spectrum_figures(module.singular_values, 0.9);
      spectra.modules.push_back(std::move(module));
    }
    all.push_back(std::move(spectra));
  }
  const std::string page = spectrum_page(all, two, "lorry analyze spectrum").to_html();
  EXPECT_LT(std::ssize(page), kLightPage);
  EXPECT_NE(page.find("Charts of every "), std::string::npos);
}

}  // namespace
}  // namespace lorry::cli
