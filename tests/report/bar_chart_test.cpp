// Bars: how long they are, from where they grow, and what stands under them.
#include "report/bar_chart.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <regex>
#include <string>
#include <vector>

#include "report/markup.hpp"
#include "report/nan.hpp"
#include "report/sample_page.hpp"

namespace lorry::report {
namespace {

struct Bar {
  double left, base, width, end;
};

// The bars in the order of series, then groups.
std::vector<Bar> bars_of(const BarChart& chart) {
  const Markup markup = read_markup(to_svg(chart));
  EXPECT_EQ(markup.error, "");
  std::vector<Bar> bars;
  const std::regex shape("M([0-9.]+) ([0-9.]+)h([0-9.]+)V([0-9.]+)h-[0-9.]+z");
  for (const Element& path : markup.all("path", "bg")) {
    std::smatch part;
    const std::string d = path.at("d");
    EXPECT_TRUE(std::regex_match(d, part, shape)) << d;
    bars.push_back({std::stod(part[1]), std::stod(part[2]), std::stod(part[3]), std::stod(part[4])});
  }
  return bars;
}

BarChart chart_of(std::vector<double> values, Axis y = {"y"}) {
  BarChart chart{"t", "x", std::move(y), {}, {{"s", std::move(values), {}}}};
  for (std::size_t i = 0; i < chart.series[0].values.size(); ++i)
    chart.groups.push_back("g" + std::to_string(i));
  return chart;
}

TEST(BarChart, LengthsAreInProportionAndDownwardBelowZero) {
  const std::vector<Bar> bars = bars_of(chart_of({1.0, 4.0, -2.0}));
  ASSERT_EQ(bars.size(), 3U);
  const auto length = [](const Bar& bar) { return bar.base - bar.end; };
  EXPECT_NEAR(length(bars[1]), 4 * length(bars[0]), 0.5);
  EXPECT_NEAR(length(bars[2]), -2 * length(bars[0]), 0.5);
  EXPECT_EQ(bars[0].base, bars[2].base);
}

TEST(BarChart, GrowFromTheAsksLowerEndAndFromTheBottomOfALogAxis) {
  const std::vector<Bar> cut = bars_of(chart_of({70.0, 80.0}, {"y", Scale::kLinear, 60.0, 80.0}));
  EXPECT_NEAR(cut[1].base - cut[1].end, 2 * (cut[0].base - cut[0].end), 0.2);
  const std::vector<Bar> log = bars_of(chart_of({1.0, 10.0, 0.0}, {"y", Scale::kLog, 0.1, 10.0}));
  ASSERT_EQ(log.size(), 2U);  // 0 has no place
  EXPECT_NEAR(log[1].base - log[1].end, 2 * (log[0].base - log[0].end), 0.2);
}

TEST(BarChart, GroupsHoldTheirBarsSideBySide) {
  BarChart chart = chart_of({1, 2});
  chart.series.push_back({"second", {3, 4}, {}});
  const std::vector<Bar> bars = bars_of(chart);
  ASSERT_EQ(bars.size(), 4U);
  EXPECT_NEAR(bars[0].left + bars[0].width, bars[2].left, 0.11);  // first group
  EXPECT_GT(bars[1].left, bars[2].left + bars[2].width);          // second group
}

TEST(BarChart, MissingValuesHaveNoBarAndErrorBarsOnlyWhereTheSpreadIsKnown) {
  BarChart chart = chart_of({1.0, kNan, 2.0});
  chart.series[0].spread = {0.1, 0.1, kNan};
  EXPECT_EQ(bars_of(chart).size(), 2U);
  const Markup markup = read_markup(to_svg(chart));
  EXPECT_EQ(markup.all("g", "ink").size(), 1U);
  std::vector<std::string> titles;
  for (const Element& title : markup.all("title")) titles.push_back(title.text);
  EXPECT_EQ(titles, (std::vector<std::string>{"g0, s: 1.000 ± 0.10", "g2, s: 2.000"}));
}

TEST(BarChart, EmptySingleAndHugeAreDrawn) {
  EXPECT_TRUE(bars_of(chart_of({})).empty());
  EXPECT_NE(to_svg(chart_of({kNan})).find("no values"), std::string::npos);
  EXPECT_EQ(bars_of(chart_of({0.0})).size(), 1U);
  const double huge = std::numeric_limits<double>::max();
  EXPECT_EQ(bars_of(chart_of({huge, -huge})).size(), 2U);
}

TEST(BarChart, NamesAreBrokenAtSpacesOrStandUpright) {
  BarChart chart = chart_of({1, 2, 3, 4, 5, 6, 7, 8});
  chart.groups[0] = "two words";
  std::string svg = to_svg(chart);
  EXPECT_NE(svg.find(">two</text>"), std::string::npos);
  EXPECT_NE(svg.find(">words</text>"), std::string::npos);
  chart.groups[0] = "one_word_that_does_not_fit";
  svg = to_svg(chart);
  EXPECT_EQ(svg.find(">words</text>"), std::string::npos);
  EXPECT_NE(svg.find("rotate(-90)\" text-anchor=\"end\">g1</text>"), std::string::npos);
}

TEST(BarChart, NamesAreEscaped) {
  BarChart chart = chart_of({1.0});
  chart.title = chart.x_label = chart.y.label = chart.groups[0] = chart.series[0].name = kHostileName;
  const Markup markup = read_markup(to_svg(chart));
  EXPECT_EQ(markup.error, "");
  EXPECT_TRUE(markup.all("script").empty());
}

TEST(BarChartDeath, SizesThatDoNotMatchAreTheCallersMistake) {
  BarChart chart = chart_of({1.0});
  chart.groups.push_back("without a value");
  EXPECT_DEATH(to_svg(chart), "series.values.size");
}

}  // namespace
}  // namespace lorry::report
