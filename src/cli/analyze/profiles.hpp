// cli/analyze/profiles.hpp: figures of modules as lines over the layers. Charts may have no line, where no
// module stands in a layer, and no point where only a lower bound of a figure is known.
#pragma once
#include "cli/analyze/measurements.hpp"

namespace lorry::cli {

/// One measure of one subject, a line per module type, and one for what chance gives where that is known.
report::LineChart layer_profile(const Measurements& measurements, std::string_view key);

/// One measure of several subjects, a line each: the median over the modules of a layer.
report::LineChart subject_profile(const std::vector<Measurements>& all, std::string_view key);

/// The same, one chart per module type.
std::vector<report::LineChart> type_profiles(const std::vector<Measurements>& all, std::string_view key);

}  // namespace lorry::cli
