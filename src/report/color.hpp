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
/// Series on white: each at least 3 : 1 against it. Found by search: any two are at least 24 apart
/// (CIEDE2000), and 12 for eyes without red or green cones (Machado et al. 2009).
inline constexpr std::array<std::string_view, kSeriesColors> kSeriesOnLight = {
    "#0072b2", "#cc5500", "#00805e", "#770055", "#9977ff", "#553322", "#aa7788", "#1111dd"};
/// The same hues on the dark page; 25 and 11 apart.
inline constexpr std::array<std::string_view, kSeriesColors> kSeriesOnDark = {
    "#00aaff", "#dd5500", "#77eecc", "#dd11bb", "#ffccff", "#eeaa44", "#ff7788", "#5566ff"};

/// The paper; text; quieter lines; and what is quieter still.
inline constexpr std::string_view kPaper = "#ffffff";
inline constexpr std::string_view kInk = "#1c2126";
inline constexpr std::string_view kAxisColor = "#6b747d";
inline constexpr std::string_view kGridColor = "#dfe3e7";

}  // namespace lorry::report
