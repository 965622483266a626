// cli/analyze/file_name.hpp: names of files after modules and adapters.
#pragma once
#include <string>

namespace lorry::cli {

/// The name with everything but letters, digits, dots and dashes replaced by an underscore. A long one loses
/// its middle to a digest, so that it and an ending fit into the 255 bytes of a Linux name.
std::string file_name_of(const std::string& name);

}  // namespace lorry::cli
