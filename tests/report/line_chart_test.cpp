// Curves: where points lie, where lines break, what hovering says; missing, empty, single and huge values.
#include "report/line_chart.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "report/markup.hpp"
#include "report/nan.hpp"
#include "report/plot_frame.hpp"
#include "report/polyline.hpp"
#include "report/sample_page.hpp"

namespace lorry::report {
namespace {

Markup read(const LineChart& chart) {
  Markup markup = read_markup(to_svg(chart));
  EXPECT_EQ(markup.error, "");
  return markup;
}

// A chart of one series on axes from 0 to 10.
LineChart chart_of(std::vector<double> x, std::vector<double> y, std::vector<double> spread = {}) {
  LineChart chart{"t", {"x", Scale::kLinear, 0.0, 10.0}, {"y", Scale::kLinear, 0.0, 10.0}, {}};
  chart.series.push_back({"s", std::move(x), std::move(y), std::move(spread)});
  return chart;
}

std::vector<std::string> titles(const Markup& markup) {
  std::vector<std::string> found;
  for (const Element& title : markup.all("title")) found.push_back(title.text);
  return found;
}

std::vector<Element> targets(const Markup& markup) {
  std::vector<Element> found;
  for (const Element& circle : markup.all("circle")) {
    if (circle.attributes.count("pointer-events") > 0) found.push_back(circle);
  }
  return found;
}

// The curve's path within the clipped part.
std::string curve(const Markup& markup) {
  for (const Element& path : markup.all("path")) {
    if (path.attributes.count("stroke-linejoin") > 0 &&
        markup.elements[markup.elements[path.parent].parent].name == "svg" &&
        markup.elements[path.parent].parent != 0) {
      return path.at("d");
    }
  }
  return {};
}

TEST(LineChart, PointsLieWhereTheirValuesSay) {
  const std::vector<Element> points = targets(read(chart_of({0, 5, 10}, {0, 10, 5})));
  ASSERT_EQ(points.size(), 3U);
  const auto x = [&](std::size_t i) { return std::stod(points[i].at("cx")); };
  const auto y = [&](std::size_t i) { return std::stod(points[i].at("cy")); };
  EXPECT_NEAR(x(1), (x(0) + x(2)) / 2, 0.11);
  EXPECT_NEAR(y(2), (y(0) + y(1)) / 2, 0.11);
  EXPECT_LT(x(0), x(2));
  EXPECT_GT(y(0), y(1));  // upward is smaller
  EXPECT_NEAR(y(0) - y(1), 230.0, 0.2);
}

TEST(LineChart, HoveringSaysSeriesPlaceAndValue) {
  EXPECT_EQ(titles(read(chart_of({1, 2.5}, {0.12345, 7.0}, {0.011, kNan}))),
            (std::vector<std::string>{"s, x = 1: 0.1235 ± 0.011", "s, x = 2.500: 7.000"}));
}

TEST(LineChart, MissingValuesInterruptTheLineAndHaveNoPoint) {
  const Markup markup = read(chart_of({0, 1, 2, 3, 4}, {1, 2, kNan, 3, 4}));
  EXPECT_EQ(targets(markup).size(), 4U);
  const std::string d = curve(markup);
  EXPECT_EQ(std::count(d.begin(), d.end(), 'M'), 2) << d;
  EXPECT_EQ(std::count(d.begin(), d.end(), 'L'), 2) << d;
}

TEST(LineChart, LogAxisLeavesOutWhatIsNotPositive) {
  LineChart chart{
      "t", {"x"}, {"y", Scale::kLog}, {{"s", {0, 1, 2, 3}, {0.0, -1.0, 10.0, 100.0}, {0, 0, 20, 0}}}};
  const Markup markup = read(chart);
  EXPECT_EQ(titles(markup).size(), 2U);
}

TEST(LineChart, PointsOutsideTheAskedRangeAreNotDrawnOverTheFrame) {
  EXPECT_EQ(targets(read(chart_of({1, 20, 3}, {1, 1, 50}))).size(), 1U);
}

TEST(LineChart, EveryValueOnceAndNothingAtAllAreDrawn) {
  EXPECT_EQ(targets(read(chart_of({5}, {5}))).size(), 1U);
  EXPECT_EQ(targets(read(chart_of({}, {}))).size(), 0U);
  LineChart nothing{"t", {"x"}, {"y", Scale::kLog}, {{"s", {1, 2}, {kNan, 0.0}, {}}}};
  EXPECT_NE(to_svg(nothing).find("no values"), std::string::npos);
  nothing.series[0].y = {3.0, 3.0};
  EXPECT_EQ(to_svg(nothing).find("no values"), std::string::npos);
}

TEST(LineChart, HugeValuesStayFinite) {
  const double huge = std::numeric_limits<double>::max();
  LineChart chart{"t", {"x"}, {"y"}, {{"s", {-huge, 0, huge}, {huge, 0, -huge}, {huge, huge, huge}}}};
  const std::string svg = to_svg(chart);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
}

TEST(LineChart, LongCurvesAreThinnedButKeepTheirPeaks) {
  LineChart chart = chart_of({}, {});
  for (int i = 0; i < 100'000; ++i) {
    chart.series[0].x.push_back(i * 1e-4);
    chart.series[0].y.push_back(i == 54'321 ? 10.0 : 1.0);
  }
  const std::string svg = to_svg(chart);
  EXPECT_LT(svg.size(), 100'000U);
  LineChart flat = chart;
  flat.series[0].y[54'321] = 1.0;
  EXPECT_NE(curve(read(chart)), curve(read(flat)));
}

TEST(LineChart, TellsSeriesApartWithoutColor) {
  LineChart chart{"t", {"x"}, {"y"}, {}};
  for (int s = 0; s < 9; ++s) chart.series.push_back({"s", {0, 1}, {0.0, 1.0 + s}, {}});
  const Markup markup = read(chart);
  int dashed = 0;
  for (const Element& path : markup.all("path"))
    dashed += path.attributes.count("stroke-dasharray") > 0 ? 1 : 0;
  EXPECT_EQ(dashed, 2);  // the ninth has the first's colour: its line and its legend
}

// Colours and marks of a chart of `series` lines with `points` each: of the lines, then of the legend.
std::vector<std::string> marks(int series, int points, bool markers = true) {
  LineChart chart{"t", {"x"}, {"y"}, {}};
  chart.markers = markers;
  for (int s = 0; s < series; ++s) {
    chart.series.push_back({std::to_string(s), {}, {}, {}});
    for (int i = 0; i < points; ++i) {
      chart.series.back().x.push_back(i);
      chart.series.back().y.push_back(s);
    }
  }
  std::vector<std::string> found;
  const Markup markup = read(chart);
  for (const Element& mark : markup.all("circle")) {
    if (mark.attributes.count("pointer-events") == 0) found.push_back("circle");
  }
  for (const Element& path : markup.all("path")) {
    const auto d = path.attributes.find("d");
    if (path.attributes.count("stroke-linejoin") > 0 || path.attributes.count("class") > 0) continue;
    const std::string shape = d->second.substr(d->second.find_first_not_of("M0123456789.- "));
    found.push_back(shape);
  }
  return found;
}

TEST(LineChart, EightSeriesHaveEightColorsAndEightShapesOfMarks) {
  std::set<std::string> shapes, colors;
  for (Index i = 0; i < 8; ++i) {
    shapes.insert(marker_at(100, 100, 3, i));
    colors.insert(open_series(i));
  }
  EXPECT_EQ(shapes.size(), 8U);
  EXPECT_EQ(colors.size(), 8U);
}

TEST(LineChart, SeriesOfManyPointsKeepAFewMarks) {
  for (const bool markers : {true, false}) {
    const std::vector<std::string> found = marks(7, 24, markers);  // of q, k, v, o, gate, up and down
    EXPECT_EQ(std::set<std::string>(found.begin(), found.end()).size(), 7U);
    EXPECT_EQ(found.size(), 7U * (8 + 1)) << "eight of 24 points, and the legend";
  }
  EXPECT_EQ(marks(7, 5).size(), 7U * (5 + 1));
  EXPECT_EQ(marks(2, 1000).size(), 2U * (8 + 1));
  EXPECT_EQ(marks(1, 1000).size(), 0U) << "one line needs none";
  EXPECT_EQ(marks(1, 50).size(), 51U);
  EXPECT_EQ(marks(1, 50, false).size(), 0U);
}

TEST(LineChart, ALevelIsADashedLineOverTheWholeWidthWithoutMarks) {
  LineChart chart = chart_of({2, 8}, {1, 3});
  chart.y.high = kNan;
  chart.levels = {{"full", 12.0}};
  const Markup markup = read(chart);
  EXPECT_EQ(titles(markup), (std::vector<std::string>{"s, x = 2: 1.000", "s, x = 8: 3.000", "full: 12.00"}))
      << "the axis reaches up to it";
  EXPECT_EQ(targets(markup).size(), 2U);
  std::vector<std::string> dashed;
  for (const Element& path : markup.all("path")) {
    if (path.attributes.count("stroke-dasharray") > 0) dashed.push_back(path.at("d"));
  }
  ASSERT_EQ(dashed.size(), 2U);  // the other in the legend
  double left = 0, y = 0, right = 0, end = 0;
  ASSERT_EQ(std::sscanf(dashed[1].c_str(), "M%lf %lfL%lf %lf", &left, &y, &right, &end), 4) << dashed[1];
  EXPECT_EQ(y, end);
  const std::vector<Element> points = targets(markup);
  EXPECT_NEAR(std::stod(points[0].at("cx")), left + 0.2 * (right - left), 0.1) << "x goes from 0 to 10";
}

TEST(LineChart, NamesAreEscaped) {
  LineChart chart = chart_of({1}, {1});
  chart.title = chart.series[0].name = chart.x.label = chart.y.label = kHostileName;
  const Markup markup = read(chart);
  EXPECT_NE(std::find(titles(markup).begin(), titles(markup).end(), kHostileName), titles(markup).end());
  EXPECT_TRUE(markup.all("script").empty());
}

TEST(LineChartDeath, SizesThatDoNotMatchAreTheCallersMistake) {
  EXPECT_DEATH(to_svg(chart_of({1, 2}, {1})), "series.x.size");
}

TEST(Line, KeepsFirstLowestHighestAndLastOfHalfAPixel) {
  const std::vector<Point> points = {{0.0, 5, true}, {0.1, 6, true}, {0.2, 1, true},
                                     {0.3, 9, true}, {0.4, 4, true}, {0.5, 7, true}};
  const std::string line = line_through(points);
  EXPECT_NE(line.find("d=\"M0 5L0.2 1L0.3 9L0.4 4L0.5 7\""), std::string::npos) << line;
  EXPECT_EQ(line_through({{}, {}}), "");
}

TEST(Band, RunsOutAboveAndBackBelowAndBreaksWithTheLine) {
  const std::vector<Point> upper = {{0, 1, true}, {10, 2, true}, {}, {20, 3, true}};
  const std::vector<Point> lower = {{0, 5, true}, {10, 6, true}, {}, {20, 7, true}};
  const std::string band = band_between(upper, lower);
  EXPECT_NE(band.find("d=\"M0 1L10 2L10 6L0 5zM20 3L20 7z\""), std::string::npos) << band;
  EXPECT_EQ(band_between({{}}, {{}}), "");
}

}  // namespace
}  // namespace lorry::report
