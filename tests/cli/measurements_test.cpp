// What every analysis shows of its figures: places of modules, medians, tables, profiles.
#include "cli/analyze/measurements.hpp"
#include "cli/analyze/file_name.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "cli/analyze/figure_tables.hpp"
#include "cli/analyze/options.hpp"
#include "cli/analyze/profiles.hpp"

namespace lorry::cli {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

TEST(ModulePlace, LayerIsTheFirstNumberOfTheName) {
  const model::ModulePlace query = model::place_of("model.layers.12.self_attn.q_proj");
  EXPECT_EQ(query.layer, 12);
  EXPECT_EQ(query.type, "self_attn.q_proj");
  const model::ModulePlace fused = model::place_of("transformer.h.0.attn.c_attn");
  EXPECT_EQ(fused.layer, 0);
  EXPECT_EQ(fused.type, "attn.c_attn");
  for (const char* outside : {"lm_head", "model.v2.proj", "model.layers.3", "", ".", "a..b", "h.-1.q"}) {
    EXPECT_EQ(model::place_of(outside).layer, -1) << outside;
    EXPECT_EQ(model::place_of(outside).type, outside);
  }
  EXPECT_EQ(model::place_of("h.99999999999999999999.q").layer, -1);
  EXPECT_EQ(model::layer_text(model::place_of("lm_head")), "-");
}

TEST(ModulePlace, FileNamesHoldNothingThatASystemRefuses) {
  EXPECT_EQ(file_name_of("model.layers.0.q_proj-phi"), "model.layers.0.q_proj-phi");
  EXPECT_EQ(file_name_of("../a/b c\n\"ΔW"), ".._a_b_c____W");
}

TEST(ModulePlace, FileNamesOfLongNamesFitAndStayDifferent) {
  const std::string layer = "model.layers.0.";
  const std::string one = file_name_of(layer + std::string(300, 'x') + "1.q_proj-phi");
  const std::string two = file_name_of(layer + std::string(300, 'x') + "2.q_proj-phi");
  for (const std::string& name : {one, two}) {
    EXPECT_LE(name.size(), 200U);
    EXPECT_TRUE(name.starts_with(layer)) << name;
    EXPECT_TRUE(name.ends_with(".q_proj-phi")) << name;
  }
  EXPECT_NE(one, two);
  EXPECT_EQ(file_name_of(std::string(200, 'x')), std::string(200, 'x'));
}

TEST(Median, LeavesOutWhatIsNoNumber) {
  EXPECT_EQ(median({3, kNone, 1}), 2);
  EXPECT_EQ(median({5, 1, 3}), 3);
  EXPECT_EQ(median({7}), 7);
  EXPECT_TRUE(std::isnan(median({kNone, std::numeric_limits<double>::infinity()})));
  EXPECT_TRUE(std::isnan(median({})));
}

/// Two types on layers 0 and 1, and a head; the value is 10 * layer + (0 for q, 1 for v), 50 for the head.
Measurements small() {
  Measurements all{.subject = "s", .facts = {{"rank", true}}};
  all.measures = {{.key = "value", .title = "value", .decimals = 1}};
  const auto add = [&](const char* module, double value, double chance) {
    MeasuredModule row{.module = module, .figures = {{"value", {value}}}, .chance = {{"value", chance}}};
    row.facts.emplace_back(8);
    all.modules.push_back(std::move(row));
  };
  add("lm_head", 50, kNone);
  add("m.0.q_proj", 0, 0.5);
  add("m.0.v_proj", 1, 0.7);
  add("m.1.q_proj", 10, 0.5);
  add("m.1.v_proj", 11, 0.7);
  return all;
}

TEST(Median, OfLowerBoundsIsOneWhereTheyDecideIt) {
  const auto expect = [](const Figure& figure, double value, bool at_least) {
    EXPECT_EQ(figure.value, value);
    EXPECT_EQ(figure.at_least, at_least);
  };
  expect(median_figure({{3}, {5}, {129, true}}), 5, false);  // the bound stays above the middle
  expect(median_figure({{3}, {129, true}, {129, true}}), 129, true);
  expect(median_figure({{3}, {129, true}}), 66, true);            // it is one of two in the middle
  expect(median_figure({{200}, {129, true}, {300}}), 200, true);  // below the middle it may rise above it
  expect(median_figure({{200}, {kNone}, {300}}), 250, false);
}

TEST(Measurements, LowerBoundsAreMarkedAndNotDrawn) {
  Measurements all = small();
  all.modules[4].figures["value"] = {129, true};
  const std::string text = module_table(all, Summary::kNone).to_text();
  EXPECT_NE(text.find("    1  v_proj      8  ≥129.0\n"), std::string::npos) << text;
  const report::LineChart chart = layer_profile(all, "value");
  EXPECT_EQ(chart.series[1].y[0], 1);
  EXPECT_TRUE(std::isnan(chart.series[1].y[1]));
  // Of layer 1, whose median it decides, there is no point.
  EXPECT_EQ(subject_profile({all, all}, "value").series[0].x, std::vector<double>{0});
  EXPECT_EQ(in_words({129, true}, 0), "at least 129");
}

TEST(Measurements, ModulesStandAboveTheirMedian) {
  EXPECT_EQ(module_table(small(), Summary::kBelow).to_text(),
            "layer  module   rank  value\n"
            "-----  -------  ----  -----\n"
            "    -  lm_head     8   50.0\n"
            "    0  q_proj      8    0.0\n"
            "    0  v_proj      8    1.0\n"
            "    1  q_proj      8   10.0\n"
            "    1  v_proj      8   11.0\n"
            "    -  median      -   10.0\n"
            "    -  random      -    0.6\n");
  EXPECT_EQ(module_table(small(), Summary::kNone).rows(), 5);
}

TEST(Measurements, NotesHaveAColumnWhereThereIsOne) {
  Measurements all = small();
  all.modules[1].figures["value"] = {};
  all.modules[1].note = "ΔW is zero";
  const std::string text = module_table(all, Summary::kNone).to_text();
  EXPECT_NE(text.find("    0  q_proj      8      -  ΔW is zero\n"), std::string::npos) << text;
}

TEST(Measurements, MediansOfCountsAreRoundedUp) {
  Measurements all = small();
  all.modules.resize(3);  // 50, 0, 1
  all.modules[0].figures["value"] = {2};
  all.modules[1].figures["value"] = {3};
  all.modules[2].figures["value"] = {2};
  all.modules.push_back(all.modules[1]);
  all.measures[0].decimals = 0;
  EXPECT_EQ(median(all, "value").value, 2.5);
  const auto last_line = [&] {
    const std::string text = module_table(all, Summary::kBelow).to_csv();
    return text.substr(text.find("median"));
  };
  EXPECT_EQ(last_line().substr(0, 11), "median,,2.5");
  all.measures[0].whole = true;
  EXPECT_EQ(last_line().substr(0, 9), "median,,3");
}

TEST(Measurements, TypesAndLayersAreMedians) {
  EXPECT_EQ(type_table(small()).to_csv(),
            "module type,modules,value\nlm_head,1,50\nq_proj,2,5\nv_proj,2,6\n");
  EXPECT_EQ(layer_table(small()).to_csv(), "layer,modules,value\n0,2,0.5\n1,2,10.5\n");
}

TEST(Measurements, ProfilesHaveALinePerTypeAndOneForChance) {
  const report::LineChart chart = layer_profile(small(), "value");
  ASSERT_EQ(chart.series.size(), 3U);
  EXPECT_EQ(chart.series[0].name, "q_proj");
  EXPECT_EQ(chart.series[0].x, (std::vector<double>{0, 1}));
  EXPECT_EQ(chart.series[0].y, (std::vector<double>{0, 10}));
  EXPECT_EQ(chart.series[2].name, "random");
  EXPECT_NEAR(chart.series[2].y[1], 0.6, 1e-15);
}

TEST(Measurements, SubjectsAreComparedPerType) {
  Measurements second = small();
  second.subject = "t";
  second.modules.pop_back();
  const report::LineChart overview = subject_profile({small(), second}, "value");
  ASSERT_EQ(overview.series.size(), 4U);
  EXPECT_EQ(overview.series[0].y, (std::vector<double>{0.5, 10.5}));
  EXPECT_EQ(overview.series[1].y, (std::vector<double>{0.5, 10}));
  EXPECT_EQ(overview.series[2].name, "random, s");
  EXPECT_NEAR(overview.series[2].y[1], 0.6, 1e-15);
  EXPECT_EQ(overview.series[3].name, "random, t");
  EXPECT_NEAR(overview.series[3].y[1], 0.5, 1e-15);
  EXPECT_EQ(subject_table({small(), second}, "who").to_csv(), "who,modules,value\ns,5,10\nt,4,5.5\n");
  const std::vector<report::LineChart> charts = type_profiles({small(), second}, "value");
  ASSERT_EQ(charts.size(), 2U);
  EXPECT_EQ(charts[1].title, "v_proj");
  ASSERT_EQ(charts[0].series.size(), 3U);
  EXPECT_EQ(charts[0].series[2].name, "random") << "the same for both";
  EXPECT_EQ(charts[0].series[2].y, (std::vector<double>{0.5, 0.5}));
  ASSERT_EQ(charts[1].series.size(), 4U);
  EXPECT_EQ(charts[1].series[0].y, (std::vector<double>{1, 11}));
  EXPECT_EQ(charts[1].series[1].name, "t");
  EXPECT_EQ(charts[1].series[1].y, (std::vector<double>{1}));
}

TEST(Measurements, TheMiddleOfEachTypeIsAmongThoseWithFigures) {
  EXPECT_EQ(middle_modules(small()), (std::vector<std::string>{"lm_head", "m.1.q_proj", "m.1.v_proj"}));
  Measurements all = small();
  all.modules[3].figures["value"] = {};
  EXPECT_EQ(middle_modules(all), (std::vector<std::string>{"lm_head", "m.0.q_proj", "m.1.v_proj"}));
}

TEST(Measurements, TheMiddleOfSeveralSubjectsCoversTheTypesOfAll) {
  Measurements first = small();
  first.modules.erase(first.modules.begin());  // without the head
  EXPECT_EQ(middle_modules({first, small()}),
            (std::vector<std::string>{"m.1.q_proj", "m.1.v_proj", "lm_head"}));
}

TEST(CommandLine, IsWhatAShellTakesBack) {
  SubjectFlags flags;
  OutputFlags outputs;
  OptionTable table;
  add_subject_option(table, flags, "");
  add_modules_option(table, flags);
  add_output_options(table, outputs);
  const auto set = [&](const char* name, const char* text) {
    table.set(*table.find(name), text, Source::kFlag, "");
  };
  set("adapter", "a/b");
  set("adapter", "it's here");
  set("modules", R"(.*\.q)");
  set("json", "true");
  EXPECT_EQ(command_line("spectrum", table),
            R"(lorry analyze spectrum a/b 'it'\''s here' --modules '.*\.q' --json)");
}

}  // namespace
}  // namespace lorry::cli
