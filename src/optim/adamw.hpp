// optim/adamw.hpp: AdamW over a list of parameters; owns the moments and counts the updates.
#pragma once
#include <vector>

#include "core/index.hpp"
#include "ops/ops.hpp"
#include "optim/parameter.hpp"
#include "tensor/matrix.hpp"

namespace lorry::optim {

struct AdamWConfig {
  double beta1 = 0.9;          // in [0, 1)
  double beta2 = 0.999;        // in [0, 1)
  double eps = 1e-8;           // at least 0
  double weight_decay = 0.01;  // decoupled, at least 0; only where Parameter::decay
};

/// Loshchilov & Hutter 2019 (arXiv:1711.05101), in the form of torch.optim.AdamW.
class AdamW {
 public:
  /// Running means of one parameter's gradient and of its square, both [R,C] F32.
  struct Moments {
    Matrix first;
    Matrix second;
  };

  /// Borrows `ops` and what the parameters view; allocates the moments, zero. Throws Error if the config is
  /// out of range.
  AdamW(ops::Ops& ops, std::vector<Parameter> parameters, AdamWConfig config);

  /// One update of every parameter from gradient_scale * gradient; leaves the gradients as they are.
  void step(double lr, float gradient_scale = 1.0F);

  /// Updates done so far. With the moments, all the state that a checkpoint keeps.
  [[nodiscard]] Index steps() const noexcept { return steps_; }
  void set_steps(Index steps);
  [[nodiscard]] const std::vector<Parameter>& parameters() const noexcept { return parameters_; }
  [[nodiscard]] std::vector<Moments>& moments() noexcept { return moments_; }  // in the order of parameters()

 private:
  ops::Ops& ops_;
  std::vector<Parameter> parameters_;
  AdamWConfig config_;
  std::vector<Moments> moments_;
  Index steps_ = 0;
};

}  // namespace lorry::optim
