// cli/analyze/file_name.hpp: names of files after modules and adapters.
#pragma once
#include <string>

namespace lorry::cli {

/// The name with everything but letters, digits, dots and dashes replaced by an underscore.
std::string file_name_of(const std::string& name);

}  // namespace lorry::cli
