// optim/optimizer_config.hpp: which optimiser, and its numbers, as plain data.
#pragma once

namespace lorry::optim {

enum class OptimizerKind { kAdamW };

struct OptimizerConfig {
  OptimizerKind kind = OptimizerKind::kAdamW;
  double beta1 = 0.9;          // in [0, 1)
  double beta2 = 0.999;        // in [0, 1)
  double eps = 1e-8;           // at least 0
  double weight_decay = 0.01;  // at least 0; only where Parameter::decay
};

}  // namespace lorry::optim
