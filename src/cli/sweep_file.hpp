// cli/sweep_file.hpp: the YAML file of a sweep: options of `lorry train` for all cells, and a grid or rows.
#pragma once
#include <filesystem>

#include "cli/option_table.hpp"
#include "sweep/request.hpp"

namespace lorry::cli {

/// Reads `file` into `table`, which is bound to `options`, and works out the rows: the product of the lists
/// under `grid`, then those under `rows`. What a flag has set holds for every row. Afterwards `options` is
/// what all cells have in common. Throws Error with file and line.
sweep::Request read_sweep(const std::filesystem::path& file, OptionTable& table,
                          train::TrainOptions& options);

}  // namespace lorry::cli
