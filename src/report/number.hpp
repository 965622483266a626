// report/number.hpp: numbers as people read them. A missing value is a dash, never "nan".
#pragma once
#include <limits>
#include <string>
#include <string_view>

namespace lorry::report {

/// No value.
inline constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
/// What stands where there is no value.
inline constexpr std::string_view kMissing = "-";

/// `digits` significant digits, 1 to 17: "0.4821", "12.30", "61953", "1.235e7". NaN gives kMissing,
/// infinities "inf" and "-inf", and zero "0" whatever its sign.
std::string format_number(double value, int digits = 4);

/// `decimals` digits after the point, 0 to 17, for columns that line up: "0.500". Falls back to format_number
/// from 1e15 on, where the digits would be noise.
std::string format_fixed(double value, int decimals);

/// Mean and spread to the spread's second digit: "0.512 ± 0.014". Without a spread (NaN) the mean alone.
std::string format_spread(double mean, double spread);

/// As short as it can be while reading back as the same number; empty for NaN. For files, not for people.
std::string format_exact(double value);

}  // namespace lorry::report
