// nn/context.hpp: what every module's forward and backward needs besides its own data.
#pragma once
#include <cstdint>
#include <string_view>

#include "ops/ops.hpp"

namespace lorry::nn {

/// Which products with linear maps run in integers (--compute). kOfBlocks: of a few rows, forward, with
/// weights that lie in blocks of integers in their file, as decoding makes them. The others: with weights
/// that are int8, which those of a model's blocks are made for them; the same products of a few rows, too.
enum class Int8Products { kNone, kOfBlocks, kForward, kForwardAndBackward };

/// Whether a model holds its blocks' weights as int8 for them.
constexpr bool need_int8(Int8Products products) {
  return products == Int8Products::kForward || products == Int8Products::kForwardAndBackward;
}

/// As --compute spells it.
constexpr std::string_view word_of(Int8Products products) {
  switch (products) {
    case Int8Products::kNone:
      return "float";
    case Int8Products::kOfBlocks:
      return "auto";
    case Int8Products::kForward:
      return "int8-forward";
    case Int8Products::kForwardAndBackward:
      break;
  }
  return "int8";
}

/// Forward, by any of them.
constexpr ops::Integers forward_integers(Int8Products products) {
  if (products == Int8Products::kNone) return ops::Integers::kNone;
  return need_int8(products) ? ops::Integers::kAnyRows : ops::Integers::kFewRows;
}
/// Of activation gradients.
constexpr ops::Integers backward_integers(Int8Products products) {
  return products == Int8Products::kForwardAndBackward ? ops::Integers::kAnyRows : ops::Integers::kNone;
}

/// One pass over one micro-batch. Passed by reference down the modules; owns nothing.
struct Context {
  ops::Ops& ops;
  DType compute = DType::kF32;  // F32 or BF16: the type of activations between matrix products
  Int8Products int8 = Int8Products::kNone;
  bool training = false;           // dropout acts, and what backward needs is kept
  std::uint64_t dropout_seed = 0;  // with micro_step and the module's number: which masks are drawn
  std::uint64_t micro_step = 0;
  std::uint64_t chunk = 0;  // of a micro-batch whose rows pass through a module in parts
};

}  // namespace lorry::nn
