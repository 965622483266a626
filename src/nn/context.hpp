// nn/context.hpp: what every module's forward and backward needs besides its own data.
#pragma once
#include <cstdint>

#include "ops/ops.hpp"

namespace lorry::nn {

/// One pass over one micro-batch. Passed by reference down the modules; owns nothing.
struct Context {
  ops::Ops& ops;
  DType compute = DType::kF32;     // F32 or BF16: the type of activations between matrix products
  bool training = false;           // dropout acts, and what backward needs is kept
  std::uint64_t dropout_seed = 0;  // with micro_step and the module's number: which masks are drawn
  std::uint64_t micro_step = 0;
  std::uint64_t chunk = 0;  // of a micro-batch whose rows pass through a module in parts
};

}  // namespace lorry::nn
