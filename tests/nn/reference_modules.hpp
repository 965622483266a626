// tests/nn/reference_modules.hpp: the modules of nn/ on the reference operators, over any number type: the
// specification that the gradient checks differentiate.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "nn/gradient_check.hpp"
#include "ops/reference/activations.hpp"
#include "ops/reference/attention.hpp"
#include "ops/reference/low_rank.hpp"
#include "ops/reference/norms.hpp"
#include "ops/reference/rope.hpp"

namespace lorry::nn {

/// Columns [first, first + count).
template <class T>
Dense<T> columns(const Dense<T>& from, Index first, Index count) {
  Dense<T> to(from.rows, count);
  for (Index i = 0; i < from.rows; ++i) {
    for (Index j = 0; j < count; ++j) to(i, j) = from(i, first + j);
  }
  return to;
}

/// [left, right].
template <class T>
Dense<T> beside(const Dense<T>& left, const Dense<T>& right) {
  Dense<T> to(right.rows, left.cols + right.cols);
  for (Index i = 0; i < to.rows; ++i) {
    for (Index j = 0; j < to.cols; ++j) to(i, j) = j < left.cols ? left(i, j) : right(i, j - left.cols);
  }
  return to;
}

struct LinearFacts {
  bool inputs_by_outputs = false;
  double scale = 1;              // of the update
  ops::DropoutKey dropout = {};  // rate 0: none
  struct Part {
    std::string name;
    Index first_output = 0;
  };
  std::vector<Part> parts = {};  // that may have updates
};

/// Operands NAME.weight, and where present NAME.bias, NAME.a with NAME.b (transposed, as LowRankUpdate has
/// it), and the same of NAME.PART.
template <class T>
Dense<T> linear(const Values<T>& values, const std::string& name, const Dense<T>& x,
                const LinearFacts& facts = {}) {
  const Dense<T>& weight = values.at(name + ".weight");
  Dense<T> y =
      ops::reference::matmul(x, facts.inputs_by_outputs ? weight : ops::reference::transpose(weight));
  if (const auto bias = values.find(name + ".bias"); bias != values.end())
    ops::reference::add_bias(bias->second, y);
  if (const auto m = values.find(name + ".m"); m != values.end()) {
    // PEFT's DoraLinearLayer: result + (g - 1) (x' W^T) + g (scale x' A^T B^T).
    const Dense<T> input = facts.dropout.rate > 0 ? ops::reference::dropout(x, facts.dropout) : x;
    Dense<T> g = m->second;
    for (Index j = 0; j < g.cols; ++j) g(0, j) /= values.at(name + ".norm")(0, j);
    Dense<T> base =
        ops::reference::matmul(input, facts.inputs_by_outputs ? weight : ops::reference::transpose(weight));
    ops::reference::add(base, T(-1), y);
    const Dense<T> h = ops::reference::low_rank_project(input, values.at(name + ".a"), T(facts.scale));
    ops::reference::low_rank_expand_add(h, values.at(name + ".b"), base);
    ops::reference::add(ops::reference::scale_columns(base, g), T(1), y);
    return y;
  }
  if (const auto a = values.find(name + ".a"); a != values.end()) {
    const Dense<T> input = facts.dropout.rate > 0 ? ops::reference::dropout(x, facts.dropout) : x;
    const Dense<T> h = ops::reference::low_rank_project(input, a->second, T(facts.scale));
    ops::reference::low_rank_expand_add(h, values.at(name + ".b"), y);
  }
  for (const LinearFacts::Part& part : facts.parts) {
    const auto a = values.find(name + "." + part.name + ".a");
    if (a == values.end()) continue;
    const Dense<T>& b = values.at(name + "." + part.name + ".b");
    const Dense<T> input = facts.dropout.rate > 0 ? ops::reference::dropout(x, facts.dropout) : x;
    const Dense<T> h = ops::reference::low_rank_project(input, a->second, T(facts.scale));
    Dense<T> own(x.rows, b.cols);
    ops::reference::low_rank_expand_add(h, b, own);
    for (Index i = 0; i < own.rows; ++i) {
      for (Index j = 0; j < own.cols; ++j) y(i, part.first_output + j) += own(i, j);
    }
  }
  return y;
}

struct AttentionFacts {
  ops::AttentionShape shape;
  std::vector<std::string> qkv = {"q", "k", "v"};
  bool norms = false;  // operands q_norm.weight, k_norm.weight
  double eps = 1e-6;
  Dense<double> rope;  // empty: none
  std::vector<std::int32_t> positions;
  std::vector<Index> offsets;
  LinearFacts linear = {};
};

/// Operands of its maps and "o", and the norms'.
template <class T>
Dense<T> self_attention(const Values<T>& values, const Dense<T>& x, const AttentionFacts& facts) {
  const Index q_width = facts.shape.heads * facts.shape.head_dim;
  const Index k_width = facts.shape.kv_heads * facts.shape.head_dim;
  Dense<T> qkv;
  for (const std::string& name : facts.qkv) qkv = beside(qkv, linear(values, name, x, facts.linear));
  Dense<T> q = columns(qkv, 0, q_width);
  Dense<T> k = columns(qkv, q_width, k_width);
  if (facts.norms) {
    q = ops::reference::norm(q, values.at("q_norm.weight"), {}, facts.eps, false);
    k = ops::reference::norm(k, values.at("k_norm.weight"), {}, facts.eps, false);
  }
  if (facts.rope.rows > 0) {
    q = ops::reference::rope(facts.rope, facts.positions, facts.shape.head_dim, q);
    k = ops::reference::rope(facts.rope, facts.positions, facts.shape.head_dim, k);
  }
  const Dense<T> out = ops::reference::attention(q, k, columns(qkv, q_width + k_width, k_width),
                                                 {facts.offsets, facts.offsets}, facts.shape);
  return linear(values, "o", out, facts.linear);
}

/// Operands of "up", "down" and, where present, "gate".
template <class T>
Dense<T> mlp(const Values<T>& values, const Dense<T>& x, const LinearFacts& facts = {}) {
  const Dense<T> up = linear(values, "up", x, facts);
  const Dense<T> activated = values.contains("gate.weight")
                                 ? ops::reference::swiglu(linear(values, "gate", x, facts), up)
                                 : ops::reference::gelu_tanh(up);
  return linear(values, "down", activated, facts);
}

}  // namespace lorry::nn
