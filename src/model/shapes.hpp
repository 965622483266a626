// model/shapes.hpp: built-in model shapes, for benchmarks and for starting from random weights.
#pragma once
#include <string_view>

#include "io/json_file.hpp"

namespace lorry::model {

/// The config.json of a shape: "llama-1.1b", "llama-7b", "llama-13b", "llama-30b" or "llama-65b". Throws
/// Error listing them for any other name.
io::Json shape_config(std::string_view name);

}  // namespace lorry::model
