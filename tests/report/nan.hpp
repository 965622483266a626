#pragma once

#include <limits>

namespace lorry::report {

/// A value that is missing or undefined, as charts and tables take it.
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

}  // namespace lorry::report
