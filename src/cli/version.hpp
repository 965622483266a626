// cli/version.hpp: which Lorry this is, for --version and for reports that say how they were made.
#pragma once
#include <string_view>

namespace lorry::cli {

/// "0.1.0".
std::string_view version();

}  // namespace lorry::cli
