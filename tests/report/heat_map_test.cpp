// Cells, their colours and their values; what is missing, empty, outside the scale or badly named.
#include "report/heat_map.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include "report/color.hpp"
#include "report/markup.hpp"
#include "report/nan.hpp"
#include "report/sample_page.hpp"

namespace lorry::report {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

HeatMap map_of(Index rows, Index cols, std::vector<double> values) {
  return {"t", "j", "i", rows, cols, std::move(values), 0.0, 1.0, {}, {}, false};
}

Markup read(const HeatMap& map) {
  Markup markup = read_markup(to_svg(map));
  EXPECT_EQ(markup.error, "");
  return markup;
}

Element cells_of(const Markup& markup) {
  return markup.all("g", "cells").at(0);
}

// Colour of every cell that is drawn, by row and column; fails where one is drawn twice.
std::map<std::pair<int, int>, std::string> painted(const Markup& markup) {
  std::map<std::pair<int, int>, std::string> colors;
  const std::regex run("M([0-9]+) ([0-9]+)h([0-9]+)");
  for (const Element& path : markup.all("path")) {
    const Element& inner = markup.elements[path.parent];
    const Element& outer = markup.elements[inner.parent];
    if (outer.attributes.count("class") == 0 || outer.at("class") != "cells") continue;
    if (path.attributes.count("stroke-dasharray") > 0) continue;
    const std::string d = path.at("d");
    for (auto it = std::sregex_iterator(d.begin(), d.end(), run); it != std::sregex_iterator(); ++it) {
      const int col = std::stoi((*it)[1]);
      const int row = std::stoi((*it)[2]);
      for (int k = 0; k < std::stoi((*it)[3]); ++k) {
        EXPECT_TRUE(colors.emplace(std::pair(row, col + k), path.at("stroke")).second)
            << row << "," << col + k;
      }
    }
  }
  return colors;
}

// The values as the page's script reads them; NaN where it says there is none.
std::vector<double> carried(const Element& cells) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const std::string code = cells.at("data-values");
  const double low = std::stod(cells.at("data-low"));
  const double high = std::stod(cells.at("data-high"));
  std::vector<double> values;
  for (std::size_t i = 0; i + 2 < code.size(); i += 3) {
    double place = 0.0;
    for (std::size_t k = 0; k < 3; ++k) place = place * 64 + static_cast<double>(digits.find(code[i + k]));
    values.push_back(code.substr(i, 3) == "..." ? kNan : low + place / (64.0 * 64 * 64 - 1) * (high - low));
  }
  return values;
}

TEST(HeatMap, PaintsEveryCellOnceInTheColorOfItsValue) {
  const HeatMap map = similarity_map();
  const auto colors = painted(read(map));
  ASSERT_EQ(colors.size(), 8U * 64U);
  for (const auto& [cell, color] : colors) {
    const double value = map.values[static_cast<std::size_t>(64 * cell.first + cell.second)];
    EXPECT_EQ(color, std::isnan(value) ? "#d4d8dc" : ramp_color(ramp_step(value, 0.0, 1.0)));
  }
}

TEST(HeatMap, CarriesValuesToSixDigitsOfTheirRange) {
  const HeatMap map = similarity_map();
  const Element cells = cells_of(read(map));
  EXPECT_EQ(cells.at("data-cols"), "64");
  const std::vector<double> values = carried(cells);
  ASSERT_EQ(values.size(), map.values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(map.values[i])) {
      EXPECT_TRUE(std::isnan(values[i]));
    } else {
      EXPECT_NEAR(values[i], map.values[i], 0.5 / (64 * 64 * 64 - 1));
    }
  }
}

TEST(HeatMap, ValuesBeyondTheScaleGetTheEndsColorAndKeepTheirNumber) {
  const Markup markup = read(map_of(1, 3, {-2.0, 0.5, 7.0}));
  const auto colors = painted(markup);
  EXPECT_EQ(colors.at({0, 0}), ramp_color(0));
  EXPECT_EQ(colors.at({0, 2}), ramp_color(kRampSteps - 1));
  EXPECT_EQ(carried(cells_of(markup)).at(2), 7.0);
}

TEST(HeatMap, NeighboursOfOneColorAreOneStroke) {
  const std::string svg = to_svg(map_of(2, 4, {0, 0, 0, 1, 1, 1, 1, 1}));
  EXPECT_NE(svg.find("d=\"M0 0h3\""), std::string::npos);
  EXPECT_NE(svg.find("d=\"M3 0h1M0 1h4\""), std::string::npos);
}

TEST(HeatMap, TriangleLeavesTheUpperRightOutAndColumnsBeyondTheRows) {
  HeatMap map = similarity_map();
  map.lower_left_triangle_only = true;
  const Markup markup = read(map);
  const auto colors = painted(markup);
  EXPECT_EQ(colors.size(), 36U);  // 8 * 9 / 2
  EXPECT_EQ(colors.count({3, 3}), 1U);
  EXPECT_EQ(colors.count({3, 4}), 0U);
  EXPECT_EQ(cells_of(markup).at("data-cols"), "8");
  const std::vector<double> values = carried(cells_of(markup));
  ASSERT_EQ(values.size(), 64U);
  EXPECT_TRUE(std::isnan(values[1]));
  EXPECT_NEAR(values[8], map.values[64], 1e-5);
}

TEST(HeatMap, MissingValuesAreHatchedAndNotCarried) {
  const Markup markup = read(map_of(1, 3, {kNan, kInfinity, 0.25}));
  EXPECT_EQ(markup.all("path", "hatch").at(0).at("d"), "M0 0h2");
  const std::vector<double> values = carried(cells_of(markup));
  EXPECT_TRUE(std::isnan(values[0]));
  EXPECT_TRUE(std::isnan(values[1]));
  EXPECT_EQ(values[2], 0.25);
}

TEST(HeatMap, OneCellNoCellsAndNothingKnownAreDrawn) {
  EXPECT_EQ(painted(read(map_of(1, 1, {0.5}))).size(), 1U);
  EXPECT_EQ(painted(read(map_of(0, 0, {}))).size(), 0U);
  EXPECT_EQ(painted(read(map_of(3, 0, {}))).size(), 0U);
  EXPECT_EQ(cells_of(read(map_of(1, 2, {kNan, kNan}))).at("data-values"), "......");
}

TEST(HeatMap, HugeRangesStayFinite) {
  HeatMap map = map_of(1, 3, {-1e308, 0.0, 1e308});
  map.low = -1e308;
  map.high = 1e308;
  const auto colors = painted(read(map));
  EXPECT_EQ(colors.at({0, 0}), ramp_color(0));
  EXPECT_EQ(colors.at({0, 1}), ramp_color(kRampSteps / 2));
  EXPECT_EQ(colors.at({0, 2}), ramp_color(kRampSteps - 1));
}

TEST(HeatMap, NumbersItsCellsFromOneAtDistancesThatFit) {
  std::vector<std::string> numbers;
  for (const Element& text : read(similarity_map()).all("text")) numbers.push_back(text.text);
  for (const char* shown : {"1", "8", "16", "24", "64"}) {
    EXPECT_NE(std::find(numbers.begin(), numbers.end(), shown), numbers.end()) << shown;
  }
  EXPECT_EQ(std::count(numbers.begin(), numbers.end(), "9"), 0);
}

TEST(HeatMap, NamesOfCellsAreEscapedAndCarriedOnePerLine) {
  HeatMap map = map_of(1, 2, {0.1, 0.2});
  map.title = kHostileName;
  map.x_ticks = {kHostileName, "two\nlines"};
  const Markup markup = read(map);
  EXPECT_EQ(cells_of(markup).at("data-x-names"), std::string(kHostileName) + "\ntwo lines\n");
  for (const Element& element : markup.elements) EXPECT_NE(element.name, "script");
}

TEST(HeatMap, AGridOfTheLargestAdaptersStaysSmall) {
  // 224 modules with four grids of 8 x 64 each shall make a page of some ten megabytes.
  EXPECT_LT(to_svg(similarity_map()).size(), 11'000U);
}

TEST(HeatMapDeath, SizesThatDoNotMatchAreTheCallersMistake) {
  EXPECT_DEATH(to_svg(map_of(2, 2, {0.5})), "map.rows \\* map.cols");
}

}  // namespace
}  // namespace lorry::report
