// Round numbers beside an axis, and where values lie along it.
#include "report/axis_scale.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "report/nan.hpp"

namespace lorry::report {
namespace {

DataRange range(Scale scale, const std::vector<double>& values) {
  DataRange data(scale);
  for (const double value : values) data.add(value);
  return data;
}

AxisScale scale_of(const std::vector<double>& values, Scale scale = Scale::kLinear, AxisScale::Fit fit = {}) {
  Axis axis;
  axis.scale = scale;
  return {axis, range(scale, values), fit};
}

std::string labels(const AxisScale& scale) {
  std::string out;
  for (const Tick& tick : scale.ticks()) out += (out.empty() ? "" : " ") + tick.label.markup;
  return out;
}

TEST(AxisScale, ChoosesRoundNumbers) {
  EXPECT_EQ(labels(scale_of({0.0, 1.0})), "0.0 0.2 0.4 0.6 0.8 1.0");
  EXPECT_EQ(labels(scale_of({0.0, 31.0})), "0 10 20 30");
  EXPECT_EQ(labels(scale_of({-0.03, 0.04})), "−0.02 0.00 0.02 0.04");
  EXPECT_EQ(labels(scale_of({1.0, 2.0}, Scale::kLinear, {.whole = true})), "1 2");
}

TEST(AxisScale, MovesEndsOutwardToTicksWhereAsked) {
  const AxisScale scale = scale_of({0.13, 0.88}, Scale::kLinear, {.to_ticks = true});
  EXPECT_DOUBLE_EQ(scale.low(), 0.0);
  EXPECT_DOUBLE_EQ(scale.high(), 1.0);
  const AxisScale bars = scale_of({70.0, 74.0}, Scale::kLinear, {.to_ticks = true, .from_zero = true});
  EXPECT_DOUBLE_EQ(bars.low(), 0.0);
  EXPECT_DOUBLE_EQ(bars.high(), 80.0);
}

TEST(AxisScale, SharesAPowerOfTenWhereNumbersAreLongAndNamesItBesideTheLabel) {
  const AxisScale scale = scale_of({0.0, 5e8});
  EXPECT_EQ(labels(scale), "0 1 2 3 4 5");
  EXPECT_EQ(scale.label(200).markup,
            "(×10<tspan dy=\"-4.5\" font-size=\"75%\">8</tspan><tspan dy=\"4.5\">)</tspan>");
  EXPECT_EQ(labels(scale_of({2e-7, 4e-7})), "2.0 2.5 3.0 3.5 4.0");
}

TEST(AxisScale, LogTicksArePowersOrTheirHalvesByRange) {
  EXPECT_EQ(labels(scale_of({1.0, 64.0}, Scale::kLog)), "1 2 5 10 20 50");
  EXPECT_EQ(labels(scale_of({0.001, 1000.0}, Scale::kLog, {.most_ticks = 7})),
            "0.001 0.01 0.1 1 10 100 1000");
  EXPECT_EQ(labels(scale_of({1.2, 2.9}, Scale::kLog)), "1.5 2.0 2.5");
  EXPECT_EQ(scale_of({1e-9, 1e-3}, Scale::kLog, {.most_ticks = 8}).ticks().front().label.markup,
            "10<tspan dy=\"-4.5\" font-size=\"75%\">−9</tspan>");
}

TEST(AxisScale, ALogarithmicAxisSaysSoAndBeginsAtATick) {
  const auto ticks_of = [](const std::vector<double>& values) {
    const AxisScale scale = scale_of(values, Scale::kLog, {.to_ticks = true});
    EXPECT_NEAR(scale.at(scale.ticks().front().value), 0.0, 1e-9) << labels(scale);
    for (const double value : values) EXPECT_TRUE(scale.holds(value)) << value;
    return labels(scale);
  };
  EXPECT_EQ(ticks_of({0.7, 13.0}), "0.5 1 2 5 10");
  EXPECT_EQ(ticks_of({3e-3, 40.0}), "0.001 0.01 0.1 1 10");
  EXPECT_EQ(ticks_of({0.11, 0.23}), "0.10 0.15 0.20");
  EXPECT_EQ(ticks_of({1.9, 8.9}), "1 2 5") << "whole steps of 2 would begin at 0";
  EXPECT_EQ(ticks_of({2e-14, 3.0}).substr(0, 48), "10<tspan dy=\"-4.5\" font-size=\"75%\">−15</tspan>");
  Axis axis;
  axis.scale = Scale::kLog;
  EXPECT_EQ(AxisScale(axis, range(Scale::kLog, {1, 9}), {}).label(200).markup, "log scale");
  axis.label = "σ_k";
  EXPECT_EQ(AxisScale(axis, range(Scale::kLog, {1, 9}), {}).label(200).markup, "σ_k (log)");
}

TEST(AxisScale, PlacesValuesBetweenTheEnds) {
  Axis axis;
  axis.low = 0.0;
  axis.high = 4.0;
  const AxisScale linear(axis, DataRange(Scale::kLinear), {});
  EXPECT_DOUBLE_EQ(linear.at(1.0), 0.25);
  EXPECT_TRUE(linear.holds(4.0));
  EXPECT_FALSE(linear.holds(4.1));
  EXPECT_FALSE(linear.holds(kNan));
  axis = {.label = {}, .scale = Scale::kLog, .low = 1.0, .high = 16.0, .ticks = {1, 2, 8, 64}};
  const AxisScale log(axis, DataRange(Scale::kLog), {});
  EXPECT_DOUBLE_EQ(log.at(4.0), 0.5);
  EXPECT_FALSE(log.holds(0.0));
  EXPECT_EQ(labels(log), "1 2 8");
}

TEST(AxisScale, NothingOneValueAndHugeRangesAllHaveARange) {
  const double huge = std::numeric_limits<double>::max();
  const double tiny = std::numeric_limits<double>::denorm_min();
  for (const Scale kind : {Scale::kLinear, Scale::kLog}) {
    for (const bool to_ticks : {false, true}) {
      for (const std::vector<double>& values : std::vector<std::vector<double>>{{},
                                                                                {0.0},
                                                                                {3.0},
                                                                                {-5.0},
                                                                                {huge, -huge},
                                                                                {huge},
                                                                                {tiny},
                                                                                {tiny, huge},
                                                                                {kNan},
                                                                                {1.0, 1.0 + 1e-15}}) {
        const AxisScale scale = scale_of(values, kind, {.to_ticks = to_ticks});
        EXPECT_LT(scale.low(), scale.high());
        EXPECT_TRUE(std::isfinite(scale.low()) && std::isfinite(scale.high()));
        EXPECT_LE(scale.ticks().size(), 12U);
        EXPECT_GE(scale.ticks().size(), 1U);
        for (const double value : values) {
          if (range(kind, {}).can_show(value) && std::abs(value) < huge && value != tiny) {
            EXPECT_TRUE(scale.holds(value)) << value << " in " << scale.low() << " to " << scale.high();
          }
        }
      }
    }
  }
}

TEST(AxisScale, AllDataBeyondTheEndAskedForStillHasARange) {
  Axis axis;
  axis.low = 10.0;
  EXPECT_GT(AxisScale(axis, range(Scale::kLinear, {1.0, 2.0}), {}).high(), 10.0);
  axis = {};
  axis.high = -10.0;
  EXPECT_LT(AxisScale(axis, range(Scale::kLinear, {1.0, 2.0}), {}).low(), -10.0);
}

}  // namespace
}  // namespace lorry::report
