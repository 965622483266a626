// ops/op_times.hpp: where the time of computing goes, by kind of operator.
#pragma once
#include <array>
#include <memory>
#include <string_view>

#include "ops/ops.hpp"

namespace lorry::ops {

enum class OpKind {
  kMatmul,       // products with the model's weights, terms of adapters among them, and for weight gradients
  kAdapter,      // the other thin products of low-rank updates
  kAttention,    // scores, softmax and values, without the maps around them
  kNorm,         // RMSNorm, LayerNorm
  kActivation,   // SwiGLU, GELU
  kElementwise,  // copies, sums, biases, dropout, embedding, rotary positions
  kLoss,         // cross-entropy, without the head's product
  kOptimizer,    // updates, and the gradients' norm
};
inline constexpr Index kOpKinds = 8;

/// "matmul", "adapters", ...: one word each.
std::string_view name_of(OpKind kind);

/// What the operators of one kind did.
struct OpTime {
  double seconds = 0;
  double flops = 0;  // 0 where they are not counted: all but products, adapters and attention
  Index calls = 0;

  OpTime& operator+=(const OpTime& other);
  OpTime& operator-=(const OpTime& other);
};

/// By OpKind.
struct OpTimes {
  std::array<OpTime, kOpKinds> kinds = {};

  [[nodiscard]] OpTime& of(OpKind kind) { return kinds.at(static_cast<std::size_t>(kind)); }
  [[nodiscard]] const OpTime& of(OpKind kind) const { return kinds.at(static_cast<std::size_t>(kind)); }
  /// Seconds of all kinds.
  [[nodiscard]] double seconds() const;

  OpTimes& operator+=(const OpTimes& other);
  OpTimes& operator-=(const OpTimes& other);
};

/// The same operators, which add to `times` what each call took. To be called from one thread at a time.
std::unique_ptr<Ops> make_timed_ops(std::unique_ptr<Ops> ops, std::shared_ptr<OpTimes> times);

/// Floating point operations of causal attention forward: two products over the pairs of tokens that are
/// attended to. Backward takes five where forward takes two.
double attention_flops(const Documents& documents, const AttentionShape& shape);

}  // namespace lorry::ops
