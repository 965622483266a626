#include "optim/adamw.hpp"

#include <cmath>
#include <utility>

#include "core/check.hpp"
#include "core/error.hpp"

namespace lorry::optim {
namespace {

void check_config(const AdamWConfig& config) {
  for (const double beta : {config.beta1, config.beta2}) {
    if (!(beta >= 0 && beta < 1)) {
      throw Error("[train] AdamW beta: found {}; expected at least 0 and below 1", beta);
    }
  }
  if (!(config.eps >= 0) || !std::isfinite(config.eps)) {
    throw Error("[train] AdamW epsilon: found {}; expected a finite number, at least 0", config.eps);
  }
  if (!(config.weight_decay >= 0) || !std::isfinite(config.weight_decay)) {
    throw Error("[train] --weight-decay: found {}; expected a finite number, at least 0",
                config.weight_decay);
  }
}

}  // namespace

AdamW::AdamW(ops::Ops& ops, std::vector<Parameter> parameters, AdamWConfig config)
    : ops_(ops), parameters_(std::move(parameters)), config_(config) {
  check_config(config_);
  moments_.reserve(parameters_.size());
  for (const Parameter& parameter : parameters_) {
    const MatrixView value = parameter.value;
    LORRY_CHECK_EQ(parameter.gradient.rows, value.rows);
    LORRY_CHECK_EQ(parameter.gradient.cols, value.cols);
    moments_.push_back({Matrix(value.rows, value.cols), Matrix(value.rows, value.cols)});
  }
}

void AdamW::step(double lr, float gradient_scale) {
  ++steps_;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Parameter& parameter = parameters_[i];
    const ops::AdamWOptions options = {.lr = lr,
                                       .beta1 = config_.beta1,
                                       .beta2 = config_.beta2,
                                       .eps = config_.eps,
                                       .weight_decay = parameter.decay ? config_.weight_decay : 0.0,
                                       .step = steps_,
                                       .gradient_scale = gradient_scale};
    ops_.adamw(parameter.gradient, options, parameter.value, moments_[i].first, moments_[i].second);
  }
}

void AdamW::set_steps(Index steps) {
  LORRY_CHECK(steps >= 0);
  steps_ = steps;
}

}  // namespace lorry::optim
