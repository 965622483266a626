// tests/optim/two_parameters.hpp: a weight and a bias with made-up gradients, and steps of an optimiser on
// them.
#pragma once
#include <algorithm>
#include <array>
#include <vector>

#include "optim/clip.hpp"
#include "optim/optimizer.hpp"

namespace lorry::optim {

template <std::size_t N>
void fill(Matrix& matrix, const std::array<float, N>& values, float factor = 1.0F) {
  std::transform(values.begin(), values.end(), matrix.row<float>(0), [&](float x) { return factor * x; });
}

struct TwoParameters {
  Matrix weight{2, 3}, weight_gradient{2, 3};
  Matrix bias{1, 2}, bias_gradient{1, 2};

  TwoParameters() {
    fill(weight, std::array{1.0F, -2.0F, 0.5F, 0.25F, 3.0F, -0.75F});
    fill(bias, std::array{0.1F, -0.2F});
  }
  std::vector<Parameter> list() {
    return {{"weight", weight, weight_gradient, true}, {"bias", bias, bias_gradient, false}};
  }
  void set_gradients(Index step) {
    fill(weight_gradient, std::array{0.1F, -0.2F, 0.3F, -0.4F, 0.5F, 0.0F}, static_cast<float>(step + 1));
    fill(bias_gradient, std::array{1.0F, -2.0F}, static_cast<float>(step - 1));
  }
};

/// Steps [first, last) at rate 0.01 (step + 1), each clipped to norm 1.
inline void train(TwoParameters& parameters, Optimizer& optimizer, ops::Ops& ops, Index first, Index last) {
  for (Index step = first; step < last; ++step) {
    parameters.set_gradients(step);
    const float scale = clip_scale(global_norm(ops, optimizer.parameters()), 1.0);
    optimizer.step(0.01 * static_cast<double>(step + 1), scale);
  }
}

}  // namespace lorry::optim
