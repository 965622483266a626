// cli/version.hpp: which Lorry this is, for --version and for reports that say how they were made.
#pragma once
#include <string_view>

namespace lorry::cli {

/// "1.2.3": the version of the CMake project, which says it and nobody else.
std::string_view version();

}  // namespace lorry::cli
