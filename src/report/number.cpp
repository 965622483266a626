#include "report/number.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/check.hpp"

namespace lorry::report {

namespace {

constexpr int kMostDigits = 17;  // what a double holds
constexpr double kNoise = 1e15;  // from here on a double has no digits after the point
// Exponents of ten between which numbers are written out.
constexpr int kSmallest = -4;
constexpr int kLargest = 6;

// What stands for a value that has no digits; empty for one that has.
std::string special(double value) {
  if (std::isnan(value)) return std::string(kMissing);
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return {};
}

struct Scientific {
  std::string mantissa;  // with its sign
  int exponent;
};

// `value` rounded to `digits` significant digits.
Scientific scientific(double value, int digits) {
  const std::string text = fmt::format("{:.{}e}", value, digits - 1);
  const std::size_t e = text.find('e');
  return {text.substr(0, e), std::stoi(text.substr(e + 1))};
}

}  // namespace

std::string format_number(double value, int digits) {
  LORRY_CHECK(digits >= 1 && digits <= kMostDigits);
  if (std::string text = special(value); !text.empty()) return text;
  if (value == 0.0) return "0";
  const Scientific rounded = scientific(value, digits);
  if (rounded.exponent >= kSmallest && rounded.exponent < kLargest) {
    return fmt::format("{:.{}f}", value, std::max(0, digits - 1 - rounded.exponent));
  }
  return fmt::format("{}e{}", rounded.mantissa, rounded.exponent);
}

std::string format_fixed(double value, int decimals) {
  LORRY_CHECK(decimals >= 0 && decimals <= kMostDigits);
  if (!(std::abs(value) < kNoise)) return format_number(value);
  std::string text = fmt::format("{:.{}f}", value, decimals);
  const bool minus_zero = text.front() == '-' && text.find_first_of("123456789") == std::string::npos;
  return minus_zero ? text.substr(1) : text;
}

std::string format_spread(double mean, double spread) {
  if (!std::isfinite(mean) || !std::isfinite(spread)) return format_number(mean);
  if (!(spread > 0.0)) return format_number(mean) + " ± 0";
  const int decimals = 1 - static_cast<int>(std::floor(std::log10(spread)));
  if (decimals > 6 || spread >= 1e6 || std::abs(mean) >= 1e6) {
    return format_number(mean) + " ± " + format_number(spread, 2);
  }
  return format_fixed(mean, std::max(decimals, 0)) + " ± " + format_fixed(spread, std::max(decimals, 0));
}

std::string format_exact(double value) {
  if (std::isnan(value)) return {};
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  if (value == std::trunc(value) && std::abs(value) < kNoise) return fmt::format("{:.0f}", value + 0.0);
  return fmt::format("{}", value);
}

}  // namespace lorry::report
