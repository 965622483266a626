#include "nn/mlp.hpp"

namespace lorry::nn {

std::vector<Linear*> Mlp::linears() {
  std::vector<Linear*> all;
  if (parts_.gate) all.push_back(&*parts_.gate);
  all.push_back(&parts_.up);
  all.push_back(&parts_.down);
  return all;
}

bool Mlp::trains() const {
  return (parts_.gate && parts_.gate->trains()) || parts_.up.trains() || parts_.down.trains();
}

void Mlp::activate(const Context& context, const Cache& cache, Scratch& scratch) const {
  scratch.activated.reshape(cache.up.rows(), cache.up.cols(), context.compute);
  if (parts_.gate) {
    context.ops.swiglu(cache.gate, cache.up, scratch.activated);
  } else {
    context.ops.gelu_tanh(cache.up, scratch.activated);
  }
}

void Mlp::forward(const Context& context, ConstMatrixView x, Cache& cache, Scratch& scratch,
                  MatrixView y) const {
  if (parts_.gate) {
    cache.gate.reshape(x.rows, parts_.gate->outputs(), context.compute);
    parts_.gate->forward(context, x, false, cache.gate_update, scratch.linear, cache.gate);
  }
  cache.up.reshape(x.rows, parts_.up.outputs(), context.compute);
  parts_.up.forward(context, x, false, cache.up_update, scratch.linear, cache.up);
  if (y.empty() && parts_.down.updates().empty()) return;
  activate(context, cache, scratch);
  if (y.empty()) {
    parts_.down.fill_cache(context, scratch.activated, cache.down_update, scratch.linear);
  } else {
    parts_.down.forward(context, scratch.activated, true, cache.down_update, scratch.linear, y);
  }
}

void Mlp::backward(const Context& context, ConstMatrixView x, ConstMatrixView dy, const Cache& cache,
                   Scratch& scratch, MatrixView dx) const {
  activate(context, cache, scratch);
  scratch.d_activated.reshape(x.rows, cache.up.cols(), context.compute);
  parts_.down.backward(context, scratch.activated, dy, cache.down_update, false, scratch.linear,
                       scratch.d_activated);
  if (!parts_.gate) {
    context.ops.gelu_tanh_backward(cache.up, scratch.d_activated, scratch.d_activated);
    parts_.up.backward(context, x, scratch.d_activated, cache.up_update, false, scratch.linear, dx);
    return;
  }
  const MatrixView d_gate = scratch.d_activated;
  const MatrixView d_up = scratch.activated;  // free by now
  context.ops.swiglu_backward(cache.gate, cache.up, scratch.d_activated, d_gate, d_up);
  parts_.gate->backward(context, x, d_gate, cache.gate_update, false, scratch.linear, dx);
  parts_.up.backward(context, x, d_up, cache.up_update, true, scratch.linear, dx);
}

}  // namespace lorry::nn
