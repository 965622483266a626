// report/color.hpp: the colours of charts. Pages replace those of series and ink by style sheet; files keep
// these.
#pragma once
#include <array>
#include <string>
#include <string_view>

#include "core/index.hpp"

namespace lorry::report {

/// Steps of the scale for values.
inline constexpr Index kRampSteps = 64;

/// "#rrggbb" of step 0 (low, dark) to kRampSteps - 1 (high, light): matplotlib's viridis (Smith and van der
/// Walt 2015, public domain) through ten of its points. Even to the eye, also where red and green look alike,
/// and its lightness rises all the way, so it survives a grey printer.
std::string ramp_color(Index step);

/// The step of `value` on a scale from `low` to `high`, low < high; beyond them the nearest end. Not for NaN.
Index ramp_step(double value, double low, double high);

inline constexpr Index kSeriesColors = 8;
/// Series on white: each at least 3 : 1 against it. The first seven follow Okabe and Ito 2008, darkened.
inline constexpr std::array<std::string_view, kSeriesColors> kSeriesOnLight = {
    "#0072b2", "#d55e00", "#00805e", "#b0458c", "#8a6d00", "#2b8cbe", "#5b5bd6", "#5f6b76"};
/// The same on the dark page.
inline constexpr std::array<std::string_view, kSeriesColors> kSeriesOnDark = {
    "#56a8e8", "#ff8d4f", "#3ec99b", "#e58cc5", "#d9b64e", "#7fd3f7", "#a9a6ff", "#b4bec8"};

/// The paper; text; quieter lines; and what is quieter still.
inline constexpr std::string_view kPaper = "#ffffff";
inline constexpr std::string_view kInk = "#1c2126";
inline constexpr std::string_view kAxisColor = "#6b747d";
inline constexpr std::string_view kGridColor = "#dfe3e7";

}  // namespace lorry::report
