// cli/profile_report.hpp: the parts of a training step as a table.
#pragma once
#include <string>

#include "train/profile.hpp"

namespace lorry::cli {

/// A line on the steps, and a row per part with its share and, where operations are counted, its rate and
/// what that is of the machine's best product.
std::string profile_text(const train::Profile& profile);

}  // namespace lorry::cli
