// sweep/cell_yaml.hpp: the options of a cell as a file that trains it again.
#pragma once
#include <string>

#include "train/options.hpp"

namespace lorry::sweep {

/// The YAML file with which `lorry train --config` repeats the run.
std::string train_yaml(const train::TrainOptions& options);

}  // namespace lorry::sweep
