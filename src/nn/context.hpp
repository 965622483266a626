// nn/context.hpp: what every module's forward and backward needs besides its own data.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

#include "ops/ops.hpp"

namespace lorry::nn {

/// Which products with frozen linear maps run in integers (--compute int8), where their weights are int8.
/// Decoding has a rule of its own (Context::decodes_in_integers).
enum class Int8Products { kNone, kForward, kForwardAndBackward };

inline constexpr std::array kInt8Products = {Int8Products::kNone, Int8Products::kForwardAndBackward,
                                             Int8Products::kForward};

/// As --compute spells it.
constexpr std::string_view word_of(Int8Products products) {
  if (products == Int8Products::kNone) return "float";
  return products == Int8Products::kForward ? "int8-forward" : "int8";
}

/// One pass over one micro-batch. Passed by reference down the modules; owns nothing.
struct Context {
  ops::Ops& ops;
  DType compute = DType::kF32;  // F32 or BF16: the type of activations between matrix products
  Int8Products int8 = Int8Products::kNone;
  bool decodes_in_integers = false;  // every text has one token, and these meet the integers of weights
  bool training = false;             // dropout acts, and what backward needs is kept
  std::uint64_t dropout_seed = 0;    // with micro_step and the module's number: which masks are drawn
  std::uint64_t micro_step = 0;
  std::uint64_t chunk = 0;  // of a micro-batch whose rows pass through a module in parts
};

}  // namespace lorry::nn
